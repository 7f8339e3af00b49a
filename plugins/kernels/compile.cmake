# The kernels, for GPUs and for the CPU: included by every library that holds them. Asks for PITOME_NVCC, where it is
# to compile for GPUs, and PITOME_VERSION.
cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH pitome_plugins)

set(kernels
    "${pitome_plugins}/kernels/decisions.cu"
    "${pitome_plugins}/kernels/merge_bfloat16.cu"
    "${pitome_plugins}/kernels/merge_float16.cu"
    "${pitome_plugins}/kernels/merge_float32.cu")
# What launches them, behind the C interface.
set(kernel_interfaces
    "${pitome_plugins}/kernels/checks.cpp"
    "${pitome_plugins}/kernels/early_launch.cpp"
    "${pitome_plugins}/kernels/merge.cpp")
# What stands for a GPU on the CPU.
file(GLOB host CONFIGURE_DEPENDS "${pitome_plugins}/host/*.cpp")

# Machine code for the compute capabilities that are sold in numbers. It also runs on later minor versions of
# the same major one (10.0 on 10.3, 12.0 on 12.1).
set(targets 75 80 86 89 90 100 120)
# The driver compiles PTX for every GPU from this version on: 11.0, which lies between the targets, and those
# that come after 12. The kernels know two kinds of GPUs, those before 8.0 and the others, so that 8.0 loses
# nothing to a newer PTX, which fewer GPUs would take.
set(ptx 80)

# Into the variables of these names: the objects, and what ptxas says of registers, spills and shared memory.
function(pitome_compile_for_gpus objects_name logs_name)
  set(command "${PITOME_NVCC}" -std=c++17 -O3 -Werror all-warnings -Xptxas=-v -cudart=static
              -ccbin "${CMAKE_CXX_COMPILER}" -Xcompiler=-Wall,-fPIC,-fvisibility=hidden)
  foreach(target IN LISTS targets)
    list(APPEND command -gencode "arch=compute_${target},code=sm_${target}")
  endforeach()
  list(APPEND command -gencode "arch=compute_${ptx},code=compute_${ptx}"
       "-I${pitome_plugins}/include" "-DPITOME_VERSION=\"${PITOME_VERSION}\"")
  # A changed command rebuilds as a changed source does.
  file(CONFIGURE OUTPUT nvcc_command.txt CONTENT "${command}\n" @ONLY)
  foreach(kernel IN LISTS kernels)
    cmake_path(GET kernel STEM name)
    set(object "${CMAKE_CURRENT_BINARY_DIR}/${name}.o")
    set(log "${CMAKE_CURRENT_BINARY_DIR}/${name}.log")
    add_custom_command(
      OUTPUT "${object}"
      COMMAND sh -c "\"$@\" >\"$0\" 2>&1 || { cat \"$0\" >&2; exit 1; }" "${log}"
              ${command} -MD -MF "${object}.d" -c "${kernel}" -o "${object}"
      DEPENDS "${kernel}" "${CMAKE_CURRENT_BINARY_DIR}/nvcc_command.txt"
      DEPFILE "${object}.d"
      COMMENT "Compiling ${name}.cu for GPUs"
      VERBATIM)
    list(APPEND objects "${object}")
    list(APPEND logs "${log}")
  endforeach()
  set(${objects_name} "${objects}" PARENT_SCOPE)
  set(${logs_name} "${logs}" PARENT_SCOPE)
endfunction()

# For the CPU they are C++. `#pragma unroll` is nvcc's.
set_source_files_properties(${kernels} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS -Wno-unknown-pragmas)

# Compile a target against host/include, which stands before CUDA's own headers.
function(pitome_compile_for_cpu target)
  target_include_directories(${target} BEFORE PRIVATE "${pitome_plugins}/host/include")
  # A fused multiply-add where the source has none would make results depend on the CPU. 16 bytes of any type are
  # read at once.
  target_compile_options(${target} PRIVATE -ffp-contract=off -fno-strict-aliasing)
endfunction()
