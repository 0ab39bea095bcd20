"""From a source of images to the images themselves."""
