# find_package(runlog): the target runlog::runlog, with everything that the static library needs.
include(CMakeFindDependencyMacro)
list(APPEND CMAKE_MODULE_PATH ${CMAKE_CURRENT_LIST_DIR})
enable_language(C)  # the checks of Debian's Cap'n Proto package do not work without it
find_dependency(Threads)
find_dependency(CapnProto CONFIG)
find_dependency(LMDB)
find_dependency(xxHash)
find_dependency(zstd CONFIG)
find_dependency(roaring CONFIG)
find_dependency(tl-expected CONFIG)
find_dependency(simdjson CONFIG)
find_dependency(fmt CONFIG)
list(REMOVE_ITEM CMAKE_MODULE_PATH ${CMAKE_CURRENT_LIST_DIR})

include(${CMAKE_CURRENT_LIST_DIR}/runlog-targets.cmake)
