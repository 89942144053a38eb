# Part of `cmake --install`: the systemd unit, with the paths of this installation, and the
# configuration that it reads. One that is there stays: somebody may have edited it. Given: source_dir,
# the folder with both; bindir, relative to the prefix.
set(program ${CMAKE_INSTALL_PREFIX}/${bindir}/runlog)
if(CMAKE_INSTALL_PREFIX STREQUAL "/usr")
  set(configuration /etc/runlog/runlog.toml)
else()
  set(configuration ${CMAKE_INSTALL_PREFIX}/etc/runlog/runlog.toml)
endif()
set(unit $ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/lib/systemd/system/runlog.service)
message(STATUS "Installing: ${unit}")
configure_file(${source_dir}/runlog.service.in ${unit} @ONLY)
if(EXISTS $ENV{DESTDIR}${configuration})
  message(STATUS "Kept: $ENV{DESTDIR}${configuration}")
else()
  message(STATUS "Installing: $ENV{DESTDIR}${configuration}")
  configure_file(${source_dir}/runlog.toml $ENV{DESTDIR}${configuration} COPYONLY)
endif()
