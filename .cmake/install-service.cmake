# Part of `cmake --install`: the systemd unit, with the paths of this installation, and the
# configuration that it reads. One that is there stays: somebody may have edited it. Given: source_dir,
# the folder with both; bindir and sysconfdir, absolute or relative to the prefix.
if(CMAKE_INSTALL_PREFIX STREQUAL "/usr" AND sysconfdir STREQUAL "etc")
  set(sysconfdir /etc)
endif()
cmake_path(ABSOLUTE_PATH bindir BASE_DIRECTORY ${CMAKE_INSTALL_PREFIX})
cmake_path(ABSOLUTE_PATH sysconfdir BASE_DIRECTORY ${CMAKE_INSTALL_PREFIX})
set(program ${bindir}/runlog)
set(configuration ${sysconfdir}/runlog/runlog.toml)
set(unit $ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/lib/systemd/system/runlog.service)
message(STATUS "Installing: ${unit}")
configure_file(${source_dir}/runlog.service.in ${unit} @ONLY)
if(EXISTS $ENV{DESTDIR}${configuration})
  message(STATUS "Kept: $ENV{DESTDIR}${configuration}")
else()
  message(STATUS "Installing: $ENV{DESTDIR}${configuration}")
  configure_file(${source_dir}/runlog.toml $ENV{DESTDIR}${configuration} COPYONLY)
endif()
