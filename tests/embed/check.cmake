# Installs the build in `build_dir` below `work_dir`, then configures, builds and runs the project
# beside this file against what was installed.
file(REMOVE_RECURSE ${work_dir})
set(prefix ${work_dir}/prefix)
set(steps
  "${CMAKE_COMMAND}|--install|${build_dir}|--prefix|${prefix}"
  "${CMAKE_COMMAND}|-S|${CMAKE_CURRENT_LIST_DIR}|-B|${work_dir}/build|-G|${generator}|-DCMAKE_PREFIX_PATH=${prefix}|-DCMAKE_CXX_COMPILER=${compiler}|-DCMAKE_BUILD_TYPE=Release"
  "${CMAKE_COMMAND}|--build|${work_dir}/build"
  "${work_dir}/build/embed|${work_dir}/history"
  "${prefix}/bin/runlog|list|--data|${work_dir}/history|--tenant|acme")
foreach(step ${steps})
  string(REPLACE "|" ";" command "${step}")
  execute_process(COMMAND ${command} COMMAND_ECHO STDOUT COMMAND_ERROR_IS_FATAL ANY)
endforeach()
