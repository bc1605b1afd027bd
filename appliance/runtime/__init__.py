"""The task side: the plain loops that move data, with error policy and offsets."""
