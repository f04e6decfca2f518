// A small thread pool for the CPU drivers. Threads are made once and sleep between calls; no OpenMP, because
// torch brings its own and two of them in one process fight over the cores.
#pragma once

#include <cstdint>

namespace dream3d {

using TaskFunction = void (*)(void* context, int64_t task);

// Runs function(context, task) for every task in [0, num_tasks), on up to n_threads threads (the caller is
// one). Tasks start in ascending order but may run at the same time: they must write to different memory. The
// first exception of a task is rethrown here. Called from inside a task, or while another thread uses the
// pool, it runs serially. Results must not depend on which thread runs a task.
void run_tasks(int64_t num_tasks, int n_threads, TaskFunction function, void* context);

template <class Body>
void parallel_for(int64_t num_tasks, int n_threads, Body&& body) {
  if (num_tasks <= 1 || n_threads <= 1) {
    for (int64_t task = 0; task < num_tasks; ++task) body(task);
    return;
  }
  auto call = [](void* context, int64_t task) { (*static_cast<Body*>(context))(task); };
  run_tasks(num_tasks, n_threads, call, const_cast<void*>(static_cast<const void*>(&body)));
}

// Splits [0, count) into chunks of chunk_size and runs body(begin, end) for each.
template <class Body>
void parallel_for_chunks(int64_t count, int64_t chunk_size, int n_threads, const Body& body) {
  const int64_t num_chunks = (count + chunk_size - 1) / chunk_size;
  parallel_for(num_chunks, n_threads, [&](int64_t chunk) {
    const int64_t begin = chunk * chunk_size;
    body(begin, begin + chunk_size < count ? begin + chunk_size : count);
  });
}

}  // namespace dream3d
