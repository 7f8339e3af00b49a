// A pool of threads for programs without onnxruntime. Calls from several threads at once take turns.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "cpu/merge.h"

class WorkerPool final : public pitome::cpu::ThreadPool {
 public:
  // The thread that calls works too.
  explicit WorkerPool(int threads) {
    for (int index = 1; index < threads; ++index) workers_.emplace_back([this] { serve(); });
  }
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;
  ~WorkerPool() override {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  int concurrency() const override { return static_cast<int>(workers_.size()) + 1; }

  void parallel_for(int64_t count, const std::function<void(int64_t)>& work) override {
    std::lock_guard<std::mutex> turn(turns_);
    {
      std::lock_guard<std::mutex> lock(mutex_);
      work_ = &work;
      count_ = count;
      next_.store(0);
      busy_ = workers_.size();
      ++round_;
    }
    wake_.notify_all();
    run(work, count);
    std::unique_lock<std::mutex> lock(mutex_);
    done_.wait(lock, [this] { return busy_ == 0; });
  }

 private:
  void run(const std::function<void(int64_t)>& work, int64_t count) {
    for (int64_t index = next_++; index < count; index = next_++) work(index);
  }

  void serve() {
    uint64_t seen = 0;
    std::unique_lock<std::mutex> lock(mutex_);
    while (true) {
      wake_.wait(lock, [&] { return stopping_ || round_ != seen; });
      if (stopping_) return;
      seen = round_;
      const std::function<void(int64_t)>* work = work_;
      const int64_t count = count_;
      lock.unlock();
      run(*work, count);
      lock.lock();
      if (--busy_ == 0) done_.notify_all();
    }
  }

  std::mutex turns_, mutex_;
  std::condition_variable wake_, done_;
  std::vector<std::thread> workers_;
  const std::function<void(int64_t)>* work_ = nullptr;
  int64_t count_ = 0;
  std::atomic<int64_t> next_{0};
  size_t busy_ = 0;
  uint64_t round_ = 0;
  bool stopping_ = false;
};
