# Finds llhttp's C sources, which Debian's package node-llhttp installs instead of a library, and
# builds them: llhttp_FOUND and the target llhttp::llhttp.
find_path(llhttp_INCLUDE_DIR llhttp.h PATH_SUFFIXES llhttp PATHS /usr/share/include)
find_path(llhttp_SOURCE_DIR llhttp.c PATH_SUFFIXES llhttp PATHS /usr/share)
mark_as_advanced(llhttp_INCLUDE_DIR llhttp_SOURCE_DIR)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(llhttp REQUIRED_VARS llhttp_SOURCE_DIR llhttp_INCLUDE_DIR)

if(llhttp_FOUND AND NOT TARGET llhttp::llhttp)
  add_library(llhttp STATIC
    ${llhttp_SOURCE_DIR}/api.c ${llhttp_SOURCE_DIR}/http.c ${llhttp_SOURCE_DIR}/llhttp.c)
  target_include_directories(llhttp SYSTEM PUBLIC ${llhttp_INCLUDE_DIR})
  # Strict: what a proxy in front might read in another way is refused.
  target_compile_definitions(llhttp PRIVATE LLHTTP_STRICT_MODE=1)
  target_compile_options(llhttp PRIVATE -w -O2)
  add_library(llhttp::llhttp ALIAS llhttp)
endif()
