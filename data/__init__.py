"""Image sets: the pictures, their label table, and one module per source that prepares one.

images = data.open_set("data/faces")
images.names, images.labels(), images.metadata(), images.pictures(size=64)
"""

from data.images import ImageSet, is_validation, open_set

__all__ = ["ImageSet", "is_validation", "open_set"]
