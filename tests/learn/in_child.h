#pragma once
// In:  a callable.
// Out: whether it returned true, run in a child: limits and memory stay there.
// Not here: the tests.

#include <ATen/Parallel.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <exception>

namespace cp::test {

// Runs `call` in a child, so that its limits stay there; true when it returned true.
template <class Call>
bool in_child(const Call& call) {
  const pid_t child = fork();
  if (child == 0) {
    bool good = false;
    at::set_num_threads(1);  // the threads of the parent are not there, and OpenMP would wait for them
    try {
      good = call();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "child: %s\n", error.what());
    }
    _exit(good ? 0 : 1);
  }
  int status = -1;
  return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace cp::test
