// Floats that no load straddles two cache lines of.

#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <new>

#include "common/program.h"

namespace goodminima {

// Bytes to the largest vector register.
constexpr std::size_t alignment = 64;

class Buffer {
  public:
    explicit Buffer(Size floats)
        : data_(static_cast<float*>(::operator new(bytes(floats), std::align_val_t(alignment)))) {
        std::fill(data_.get(), data_.get() + floats, 0.0f);
    }
    float* get() const { return data_.get(); }

  private:
    static std::size_t bytes(Size floats) {
        return static_cast<std::size_t>(std::max<Size>(floats, 1)) * sizeof(float);
    }
    struct Free {
        void operator()(float* pointer) const { ::operator delete(pointer, std::align_val_t(alignment)); }
    };
    std::unique_ptr<float, Free> data_;
};

}  // namespace goodminima
