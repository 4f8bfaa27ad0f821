"""The page of traces while runs write them: a folder that is watched, and a server that nobody else is let in to."""
