// A few threads that do one short piece of work after another, together with the one that asks for it.

#pragma once

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

namespace goodminima {

class ThreadPool {
  public:
    explicit ThreadPool(int threads) {
        for (int i = 1; i < threads; ++i) workers_.emplace_back([this, i] { serve(i); });
    }

    ThreadPool(const ThreadPool&) = delete;
    ThreadPool& operator=(const ThreadPool&) = delete;

    ~ThreadPool() {
        stopped_.store(true);
        call_.fetch_add(1);
        for (std::thread& worker : workers_) worker.join();
    }

    int size() const { return static_cast<int>(workers_.size()) + 1; }

    // work(0) here and work(1), ... on the others; returns when all are done. Nothing may be thrown.
    void run(const std::function<void(int)>& work) {
        work_ = &work;
        busy_.store(static_cast<int>(workers_.size()));
        call_.fetch_add(1);
        work(0);
        wait([this] { return busy_.load() == 0; });
    }

  private:
    void serve(int number) {
        for (unsigned seen = 0;; ++seen) {
            wait([this, seen] { return call_.load() != seen; });
            if (stopped_.load()) return;
            (*work_)(number);
            busy_.fetch_sub(1);
        }
    }

    // Pieces of work take microseconds: sleeping would take longer than they do.
    template <typename Condition>
    static void wait(Condition holds) {
        for (int spins = 0; !holds(); ++spins)
            if (spins >= 1000) std::this_thread::yield();
    }

    std::vector<std::thread> workers_;
    const std::function<void(int)>* work_ = nullptr;
    std::atomic<unsigned> call_{0};
    std::atomic<int> busy_{0};
    std::atomic<bool> stopped_{false};
};

}  // namespace goodminima
