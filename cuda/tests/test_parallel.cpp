#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "check.h"
#include "dream3d/parallel.h"

using dream3d::parallel_for;
using dream3d::parallel_for_chunks;

static void every_task_runs_once() {
  for (int threads : {1, 2, 3, 8}) {
    for (int64_t tasks : {0, 1, 2, 7, 1000}) {
      std::vector<int> runs(tasks, 0);
      parallel_for(tasks, threads, [&](int64_t i) { ++runs[i]; });
      for (int count : runs) CHECK(count == 1);
    }
  }
}

static void chunks_cover_the_range() {
  std::vector<int> runs(1003, 0);
  parallel_for_chunks(1003, 10, 3, [&](int64_t begin, int64_t end) {
    CHECK(end - begin <= 10);
    for (int64_t i = begin; i < end; ++i) ++runs[i];
  });
  for (int count : runs) CHECK(count == 1);
}

static void an_exception_reaches_the_caller() {
  for (int threads : {1, 4}) {
    std::string message;
    try {
      parallel_for(100, threads, [](int64_t i) {
        if (i == 37) throw std::runtime_error("task 37");
      });
    } catch (const std::runtime_error& error) {
      message = error.what();
    }
    CHECK(message == "task 37");
  }
}

static void nested_calls_run_serially() {
  std::vector<int> runs(64, 0);
  parallel_for(8, 4, [&](int64_t i) { parallel_for(8, 4, [&](int64_t j) { ++runs[8 * i + j]; }); });
  for (int count : runs) CHECK(count == 1);
}

static void two_callers_at_once() {
  std::atomic<int64_t> total{0};
  auto call = [&] {
    for (int repeat = 0; repeat < 200; ++repeat) parallel_for(16, 4, [&](int64_t i) { total += i; });
  };
  std::thread other(call);
  call();
  other.join();
  CHECK(total == 2 * 200 * 120);
}

#if defined(__SANITIZE_THREAD__)  // which does not follow threads made after a fork
static void a_forked_child_makes_its_own_threads() {}
#else
static void a_forked_child_makes_its_own_threads() {
  const pid_t child = fork();
  if (child == 0) {
    std::atomic<int64_t> total{0};
    for (int repeat = 0; repeat < 50; ++repeat) parallel_for(16, 4, [&](int64_t i) { total += i; });
    _exit(total == 50 * 120 ? 0 : 1);
  }
  int status = 1;
  waitpid(child, &status, 0);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
#endif

int main() {
  RUN(every_task_runs_once);
  RUN(chunks_cover_the_range);
  RUN(an_exception_reaches_the_caller);
  RUN(nested_calls_run_serially);
  RUN(two_callers_at_once);
  RUN(a_forked_child_makes_its_own_threads);
  return EXIT_STATUS;
}
