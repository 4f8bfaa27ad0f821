"""What any backend must pass: `pytest --pyargs pcsim.conformance --backend NAME` compares one with numpy's.

Whatever a backend claims in its `capabilities()` has to agree with the numpy backend, or be refused before it starts in
words that its `limits` list. Needs pytest, which pcsim itself does without.
"""
