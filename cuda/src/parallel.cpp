#include "dream3d/parallel.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>

namespace dream3d {
namespace {

struct Job {
  TaskFunction function;
  void* context;
  int64_t num_tasks;
  std::atomic<int64_t> next_task{0};
  std::atomic<bool> failed{false};
  std::exception_ptr error = nullptr;  // written once, by whoever sets `failed`

  void run() {
    for (;;) {
      const int64_t task = next_task.fetch_add(1, std::memory_order_relaxed);
      if (task >= num_tasks) return;
      try {
        function(context, task);
      } catch (...) {
        if (!failed.exchange(true)) error = std::current_exception();
        next_task.store(num_tasks, std::memory_order_relaxed);
      }
    }
  }
};

thread_local bool inside_pool = false;

class Pool {
 public:
  void run(Job& job, int n_threads) {
    const std::unique_lock<std::mutex> one_job(job_mutex_, std::try_to_lock);
    if (!one_job.owns_lock()) return job.run();
    int num_invited = 0;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      while (num_workers_ < n_threads - 1 && start_worker()) {
      }
      job_ = &job;
      tickets_ = num_invited = std::min(n_threads - 1, num_workers_);
    }
    for (int i = 0; i < num_invited; ++i) wake_.notify_one();
    inside_pool = true;
    job.run();
    inside_pool = false;
    // Only workers that took a ticket are waited for: one that has not woken up yet costs nothing.
    std::unique_lock<std::mutex> lock(mutex_);
    tickets_ = 0;
    job_ = nullptr;
    done_.wait(lock, [&] { return active_ == 0; });
  }

 private:
  // False when the system has no thread left: the work is done by those that there are.
  bool start_worker() {
    sigset_t all, previous;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &previous);  // signals are for the interpreter's thread
    bool has_started = true;
    try {
      std::thread([this] { work(); }).detach();
      ++num_workers_;
    } catch (const std::system_error&) {
      has_started = false;
    }
    pthread_sigmask(SIG_SETMASK, &previous, nullptr);
    return has_started;
  }

  void work() {
    inside_pool = true;
    std::unique_lock<std::mutex> lock(mutex_);
    for (;;) {
      wake_.wait(lock, [&] { return tickets_ > 0; });
      --tickets_;
      ++active_;
      Job* job = job_;
      lock.unlock();
      job->run();
      lock.lock();
      if (--active_ == 0) done_.notify_one();
    }
  }

  std::mutex job_mutex_;  // held for the whole of one parallel call
  std::mutex mutex_;      // guards everything below
  std::condition_variable wake_, done_;
  Job* job_ = nullptr;
  int tickets_ = 0;  // workers that may still join the current job
  int active_ = 0;   // workers inside it
  int num_workers_ = 0;
};

// Never destroyed: sleeping workers may outlive static destructors. Rebuilt in a forked child, which has no
// workers.
alignas(Pool) unsigned char pool_storage[sizeof(Pool)];

Pool& pool() {
  static const bool initialised = [] {
    new (pool_storage) Pool();
    pthread_atfork(nullptr, nullptr, [] {
      new (pool_storage) Pool();
      inside_pool = false;
    });
    return true;
  }();
  (void)initialised;
  return *reinterpret_cast<Pool*>(pool_storage);
}

}  // namespace

void run_tasks(int64_t num_tasks, int n_threads, TaskFunction function, void* context) {
  Job job{function, context, num_tasks};
  if (inside_pool) {
    job.run();
  } else {
    pool().run(job, static_cast<int>(n_threads < num_tasks ? n_threads : num_tasks));
  }
  if (job.error) std::rethrow_exception(job.error);
}

}  // namespace dream3d
