// A test is a function that uses CHECK; main() lists them with RUN. A failure prints its line (the first 20 do) and
// fails the program.
#pragma once

#include <cmath>
#include <cstdio>

inline int failed_checks = 0;

#define CHECK(condition)                                                    \
  do {                                                                      \
    if (!(condition)) {                                                     \
      if (failed_checks++ < 20) {                                           \
        std::printf("%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
      }                                                                     \
    }                                                                       \
  } while (false)

#define CHECK_NEAR(a, b, tolerance) CHECK(std::abs((a) - (b)) <= (tolerance))

#define RUN(test)               \
  do {                          \
    std::printf("%s\n", #test); \
    test();                     \
  } while (false)

#define EXIT_STATUS (failed_checks == 0 ? 0 : 1)
