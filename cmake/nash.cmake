# How everything here is compiled, and the three kinds of target.

add_library(nash_flags INTERFACE)
target_compile_options(nash_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
  -Wdouble-promotion -Wstrict-prototypes -Wmissing-prototypes -Wvla
  -Wswitch-enum -Wundef -Wwrite-strings -Wcast-qual -Wformat=2
  -Wimplicit-fallthrough -Wno-missing-field-initializers -fvisibility=hidden -fno-math-errno -ffp-contract=off
  -UNDEBUG)
target_compile_definitions(nash_flags INTERFACE _GNU_SOURCE)
target_include_directories(nash_flags INTERFACE
  ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
if(NASH_WERROR)
  target_compile_options(nash_flags INTERFACE -Werror)
endif()
if(NASH_SANITIZE)
  target_compile_options(nash_flags INTERFACE
    -fsanitize=${NASH_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  target_link_options(nash_flags INTERFACE -fsanitize=${NASH_SANITIZE})
endif()

# nash_module(NAME SOURCES... [LINK targets...]): one folder of src/, compiled
# once as objects; libnash, the program and the tests are made of these.
function(nash_module name)
  cmake_parse_arguments(M "" "" "LINK" ${ARGN})
  add_library(ni_${name} OBJECT ${M_UNPARSED_ARGUMENTS})
  target_link_libraries(ni_${name} PUBLIC nash_flags Threads::Threads m
                        ${M_LINK})
  set_property(GLOBAL APPEND PROPERTY NASH_MODULES ni_${name})
endfunction()

# nash_test(NAME SOURCES... MODULES modules...): a cmocka program made of the
# named modules' objects.
function(nash_test name)
  cmake_parse_arguments(T "" "" "MODULES" ${ARGN})
  add_executable(test_${name} ${T_UNPARSED_ARGUMENTS})
  list(TRANSFORM T_MODULES PREPEND ni_)
  target_link_libraries(test_${name} PRIVATE nash_flags ${T_MODULES}
                        PkgConfig::CMOCKA)
  add_test(NAME ${name} COMMAND test_${name}
           WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
endfunction()
