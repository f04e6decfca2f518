#include "dream3d/interpolate.h"

#include <algorithm>
#include <type_traits>

#include "dream3d/parallel.h"
#include "dream3d/scatter.h"
#include "dream3d/status.h"

namespace dream3d {
namespace {

constexpr int64_t kChunk = 4096;  // pixels per task

// Calls body(number of channels), as a constant for the few that colors, positions and the like have.
template <class Body>
void with_channels(int64_t num_channels, const Body& body) {
  switch (num_channels) {
    case 1: return body(std::integral_constant<int64_t, 1>());
    case 2: return body(std::integral_constant<int64_t, 2>());
    case 3: return body(std::integral_constant<int64_t, 3>());
    case 4: return body(std::integral_constant<int64_t, 4>());
    default: return body(num_channels);
  }
}

// Calls visit(pixel, offsets) for the pixels of all views; offsets as load_offsets gives them, null where there
// are none.
template <class Params, class Visit>
void for_each_pixel(const Params& p, int n_threads, const Visit& visit) {
  parallel_for_chunks(p.num_views * p.num_pixels, kChunk, n_threads, [&](int64_t begin, int64_t end) {
    int64_t offset[3];
    bool is_seen = false;
    for (int64_t pixel = begin, view_end = begin; pixel < end; ++pixel) {
      const bool enters_view = pixel == view_end;
      if (enters_view) view_end = (pixel / p.num_pixels + 1) * p.num_pixels;
      if (enters_view || p.triangle_id[pixel] != p.triangle_id[pixel - 1]) {
        is_seen = load_offsets(p, pixel, offset);
      }
      visit(pixel, is_seen ? offset : nullptr);
    }
  });
}

template <int L>
void interpolate(const D3dInterpolateParams& p, int n_threads) {
  with_channels(p.num_channels, [&](auto num_channels) {
    for_each_pixel(p, n_threads, [&](int64_t pixel, const int64_t* offset) {
      PixelCorners<L> corners;
      if (offset != nullptr) {
        std::copy_n(offset, 3, corners.offset);
        load_weights<L>(p, pixel, corners.weight);
      }
      interpolate_pixel<L>(p, pixel, offset != nullptr ? &corners : nullptr, num_channels);
    });
  });
}

// To the attributes, and to the weights on the way where they are wanted too.
template <int L>
void attributes_backward(const D3dInterpolateBackwardParams& p, int n_threads) {
  with_channels(p.num_channels, [&](auto num_channels) {
    const auto add_pixels = [&](int64_t begin, int64_t end, const int64_t offset[3], float* __restrict sums) {
      for (int64_t pixel = begin; pixel < end; ++pixel) {
        float weight[3][L];
        load_weights<L>(p, pixel, weight);
        interpolate_attributes_vjp<L>(
            weight, p.grad_image + pixel * num_channels * L, num_channels,
            [&](int i, int64_t c, float gradient) { sums[i * num_channels + c] += gradient; });
        if (p.grad_weights != nullptr) interpolate_weights_vjp<L>(p, pixel, offset, num_channels);
      }
    };
    const auto add_run = [&](int64_t begin, int64_t end, const int64_t* rows, float* sums) {
      if (rows == nullptr) {
        if (p.grad_weights != nullptr)
          std::fill(p.grad_weights + 2 * L * begin, p.grad_weights + 2 * L * end, 0.0f);
        return;
      }
      const int64_t offset[3] = {rows[0] * num_channels, rows[1] * num_channels, rows[2] * num_channels};
      if constexpr (std::is_same_v<decltype(num_channels), int64_t>) {
        add_pixels(begin, end, offset, sums);
      } else {
        float own[3 * num_channels] = {};  // in registers
        add_pixels(begin, end, offset, own);
        std::copy_n(own, 3 * num_channels, sums);
      }
    };
    scatter_to_vertices(p, p.num_pixels, p.num_attribute_sets, num_channels, p.grad_attributes, n_threads,
                        add_run);
  });
}

template <int L>
void weights_backward(const D3dInterpolateBackwardParams& p, int n_threads) {
  with_channels(p.num_channels, [&](auto num_channels) {
    for_each_pixel(p, n_threads, [&](int64_t pixel, const int64_t* offset) {
      interpolate_weights_vjp<L>(p, pixel, offset, num_channels);
    });
  });
}

template <int L>
void interpolate_backward(const D3dInterpolateBackwardParams& p, int n_threads) {
  const bool has_attributes = p.num_attribute_sets * p.num_vertices * p.num_channels > 0;
  if (p.grad_attributes != nullptr && has_attributes) {
    attributes_backward<L>(p, n_threads);
  } else if (p.grad_weights != nullptr) {
    weights_backward<L>(p, n_threads);
  }
}

}  // namespace
}  // namespace dream3d

extern "C" int32_t d3d_interpolate(const D3dInterpolateParams* params, size_t params_size,
                                   const D3dLaunch* launch) {
  return dream3d::guarded_call(params, params_size, [&](const D3dInterpolateParams& p) {
    dream3d::interpolate<1>(p, launch->n_threads);
  });
}

extern "C" int32_t d3d_interpolate_derivatives(const D3dInterpolateParams* params, size_t params_size,
                                               const D3dLaunch* launch) {
  return dream3d::guarded_call(params, params_size, [&](const D3dInterpolateParams& p) {
    dream3d::interpolate<2>(p, launch->n_threads);
  });
}

extern "C" int32_t d3d_interpolate_backward(const D3dInterpolateBackwardParams* params, size_t params_size,
                                            const D3dLaunch* launch) {
  return dream3d::guarded_call(params, params_size, [&](const D3dInterpolateBackwardParams& p) {
    dream3d::interpolate_backward<1>(p, launch->n_threads);
  });
}

extern "C" int32_t d3d_interpolate_derivatives_backward(const D3dInterpolateBackwardParams* params,
                                                        size_t params_size, const D3dLaunch* launch) {
  return dream3d::guarded_call(params, params_size, [&](const D3dInterpolateBackwardParams& p) {
    dream3d::interpolate_backward<2>(p, launch->n_threads);
  });
}
