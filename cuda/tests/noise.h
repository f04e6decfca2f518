// Numbers without a pattern, the same on every machine.
#pragma once

#include <cstdint>
#include <vector>

struct Noise {
  uint32_t state;
  // In [-1, 1).
  float operator()() {
    state = state * 1664525u + 1013904223u;
    return static_cast<float>(state >> 8) / 8388608.0f - 1.0f;
  }
  std::vector<float> many(size_t count) {
    std::vector<float> values(count);
    for (float& value : values) value = (*this)();
    return values;
  }
};
