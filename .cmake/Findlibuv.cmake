# Finds libuv, whose Debian package has no CMake file: libuv_FOUND and the target libuv::libuv.
find_path(LIBUV_INCLUDE_DIR uv.h)
find_library(LIBUV_LIBRARY uv)
mark_as_advanced(LIBUV_INCLUDE_DIR LIBUV_LIBRARY)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(libuv REQUIRED_VARS LIBUV_LIBRARY LIBUV_INCLUDE_DIR)

if(libuv_FOUND AND NOT TARGET libuv::libuv)
  add_library(libuv::libuv UNKNOWN IMPORTED)
  set_target_properties(libuv::libuv PROPERTIES
    IMPORTED_LOCATION ${LIBUV_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${LIBUV_INCLUDE_DIR})
endif()
