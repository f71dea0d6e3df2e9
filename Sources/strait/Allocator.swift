// Linking jemalloc replaces malloc in the whole process. Nothing of it is called by name.

internal import CJemalloc
