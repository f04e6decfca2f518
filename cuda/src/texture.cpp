// The gradient to the texels is computed by owners. Texels are divided into bands of consecutive ones; first every
// chunk of pixels sorts what it adds by band, then one thread owns a band and adds what the chunks have for it, in
// order. So every texel is summed in the order of the pixels, as one thread does it without sorting: the same bits for
// any number of threads, no atomics, and a band stays in the cache. Replicas per thread would cost a copy of the
// texture each and sum in an order that depends on their number; one pass over all pixels per owner (as interpolate
// does) would repeat every look-up as often as there are threads.
#include "dream3d/texture.h"

#include <algorithm>
#include <vector>

#include "dream3d/parallel.h"
#include "dream3d/texture_limits.h"

namespace dream3d {
namespace {

constexpr int64_t kChunk = 4096;         // pixels per task
constexpr int64_t kRound = 64 * kChunk;  // pixels sorted before they are added: at most 25 MB of Additions
constexpr int64_t kMaxBands = 128;       // enough for threads to share, few enough for the sorting
constexpr int kMinBandBits = 8;          // log2 of texels

int64_t num_pixels_of(const D3dTextureParams& p) { return p.num_views * p.num_pixels; }
int64_t num_pixels_of(const D3dTextureBackwardParams& p) { return p.num_views * p.num_pixels; }

// A pixel's gradient times `weight` goes to a texel.
struct Addition {
  uint32_t texel;  // in its band
  uint32_t pixel;  // in its chunk
  float weight;
};

// What a chunk of pixels adds: by band, and then in the order of the pixels.
struct ChunkBins {
  std::vector<Addition> additions;
  std::vector<size_t> offsets;  // [num_bands + 1]
};

ChunkBins bin_chunk(const D3dTextureBackwardParams& p, int64_t begin, int64_t end, int band_bits,
                    int64_t num_bands) {
  struct Entry {
    uint32_t band;
    Addition addition;
  };
  std::vector<Entry> entries;
  entries.reserve(static_cast<size_t>(end - begin) * (p.layout.filter == D3D_TRILINEAR ? 8 : 4));
  ChunkBins bins;
  bins.offsets.assign(static_cast<size_t>(num_bands) + 1, 0);
  const int64_t in_band = (int64_t{1} << band_bits) - 1;
  for (int64_t pixel = begin; pixel < end; ++pixel) {
    if (!has_gradient(p, pixel)) continue;
    PixelTexels to;
    pixel_texels(p, pixel, to);
    for (int k = 0; k < to.count; ++k) {
      const uint32_t band = static_cast<uint32_t>(to.texel[k] >> band_bits);
      entries.push_back({band,
                         {static_cast<uint32_t>(to.texel[k] & in_band), static_cast<uint32_t>(pixel - begin),
                          to.weight[k]}});
      ++bins.offsets[band + 1];
    }
  }
  for (int64_t b = 0; b < num_bands; ++b) bins.offsets[b + 1] += bins.offsets[b];
  std::vector<size_t> next(bins.offsets.begin(), bins.offsets.end() - 1);
  bins.additions.resize(entries.size());
  for (const Entry& entry : entries) bins.additions[next[entry.band]++] = entry.addition;
  return bins;
}

// Adds a chunk's part to the band that starts at `grad_texels`.
void add_to_band(const ChunkBins& bins, int64_t band, const float* grad_image, int64_t channels,
                 float* grad_texels) {
  for (size_t i = bins.offsets[band]; i < bins.offsets[band + 1]; ++i) {
    const Addition& addition = bins.additions[i];
    const float* grad = grad_image + addition.pixel * channels;
    float* const sum = grad_texels + addition.texel * channels;
    for (int64_t c = 0; c < channels; ++c) sum[c] += addition.weight * grad[c];
  }
}

// What one thread does: the same sums in the same order, without sorting.
void texture_texels_vjp_serial(const D3dTextureBackwardParams& p) {
  const int64_t channels = p.layout.num_channels;
  std::fill_n(p.grad_texels, p.num_textures * p.layout.offsets[p.layout.num_levels] * channels, 0.0f);
  for (int64_t pixel = 0; pixel < num_pixels_of(p); ++pixel) {
    if (!has_gradient(p, pixel)) continue;
    PixelTexels to;
    pixel_texels(p, pixel, to);
    const float* grad = p.grad_image + pixel * channels;
    for (int k = 0; k < to.count; ++k) {
      float* const sum = p.grad_texels + to.texel[k] * channels;
      for (int64_t c = 0; c < channels; ++c) sum[c] += to.weight[k] * grad[c];
    }
  }
}

void texture_texels_vjp(const D3dTextureBackwardParams& p, int n_threads) {
  const int64_t channels = p.layout.num_channels;
  const int64_t num_texels = p.num_textures * p.layout.offsets[p.layout.num_levels];
  int band_bits = kMinBandBits;
  while (num_texels > kMaxBands << band_bits) ++band_bits;
  const int64_t band_size = int64_t{1} << band_bits;
  const int64_t num_bands = (num_texels + band_size - 1) / band_size;
  parallel_for_chunks(num_texels, band_size, n_threads, [&](int64_t first, int64_t last) {
    std::fill(p.grad_texels + first * channels, p.grad_texels + last * channels, 0.0f);
  });
  const int64_t num_pixels = num_pixels_of(p);
  std::vector<ChunkBins> chunks(kRound / kChunk);
  for (int64_t round = 0; round < num_pixels; round += kRound) {
    const int64_t count = std::min(kRound, num_pixels - round);
    parallel_for_chunks(count, kChunk, n_threads, [&](int64_t begin, int64_t end) {
      chunks[begin / kChunk] = bin_chunk(p, round + begin, round + end, band_bits, num_bands);
    });
    parallel_for(num_bands, n_threads, [&](int64_t band) {
      for (int64_t begin = 0; begin < count; begin += kChunk) {
        add_to_band(chunks[begin / kChunk], band, p.grad_image + (round + begin) * channels, channels,
                    p.grad_texels + band * band_size * channels);
      }
    });
  }
}

void texture(const D3dTextureParams& p, int n_threads) {
  check_texture(p);
  parallel_for_chunks(num_pixels_of(p), kChunk, n_threads, [&](int64_t begin, int64_t end) {
    for (int64_t pixel = begin; pixel < end; ++pixel) texture_pixel(p, pixel);
  });
}

void texture_backward(const D3dTextureBackwardParams& p, int n_threads) {
  check_texture(p);
  if (p.grad_texels != nullptr && n_threads > 1) texture_texels_vjp(p, n_threads);
  if (p.grad_texels != nullptr && n_threads <= 1) texture_texels_vjp_serial(p);
  if (p.grad_uv == nullptr && p.grad_uv_derivatives == nullptr && p.grad_mip_bias == nullptr) return;
  parallel_for_chunks(num_pixels_of(p), kChunk, n_threads, [&](int64_t begin, int64_t end) {
    for (int64_t pixel = begin; pixel < end; ++pixel) texture_pixel_vjp(p, pixel);
  });
}

}  // namespace
}  // namespace dream3d

extern "C" int32_t d3d_texture(const D3dTextureParams* params, size_t params_size, const D3dLaunch* launch) {
  return dream3d::guarded_call(params, params_size,
                               [&](const D3dTextureParams& p) { dream3d::texture(p, launch->n_threads); });
}

extern "C" int32_t d3d_texture_backward(const D3dTextureBackwardParams* params, size_t params_size,
                                        const D3dLaunch* launch) {
  return dream3d::guarded_call(params, params_size, [&](const D3dTextureBackwardParams& p) {
    dream3d::texture_backward(p, launch->n_threads);
  });
}
