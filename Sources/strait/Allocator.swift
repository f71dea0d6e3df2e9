// Linking jemalloc replaces malloc in the whole process. By name only
// `Memory.giveBack()` calls it.

internal import CJemalloc
