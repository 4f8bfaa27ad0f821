"""The words of `learning.augment`, and what does not go with them."""

from collections.abc import Iterator
from typing import Annotated

from pcsim.scenario.fields import Allowed, CountOrZero, Flag, Inconsistency, Table, clash

AUGMENT = Allowed("a table, as in { flip = true, crop = 4 }")


class Augment(Table):
    """How images are changed at random in every update, `augment = { flip = true, crop = 4 }`."""

    flip: Flag = False
    """Mirror every second image from left to right."""
    crop: CountOrZero = 0
    """Take a window of the image's size from the image with so many black pixels on every side."""


AugmentWord = Annotated[Augment | None, AUGMENT]


def augment_problems(
    augment: Augment | None, image: int | tuple[int, int, int] | None, task: str
) -> Iterator[Inconsistency]:
    """Yield what of the network's input and the `task` of the data does not go with an augmentation."""
    if augment is None:
        return
    if not augment.flip and not augment.crop:
        text = "learning.augment changes nothing; write flip = true or crop = 4 in it, or remove it"
        yield Inconsistency(("learning.augment",), text)
    if task != "supervised":
        why = f'data.task = "{task}", which learns the samples as they are'
        yield clash("learning.augment", why, 'remove it, or write task = "supervised" in [data]')
    if not isinstance(image, tuple):
        text = (
            "learning.augment moves images, but the network's input has no height and width; list the layers, with "
            "input = [32, 32, 3], or remove it"
        )
        yield Inconsistency(("learning.augment",), text)
    elif augment.crop >= min(image[:2]):
        text = (
            f"learning.augment.crop = {augment.crop} may leave nothing of images of {image[0]} × {image[1]}; use "
            f"{min(image[:2]) - 1} or less"
        )
        yield Inconsistency(("learning.augment.crop", "learning.augment"), text)
