// The gradient to the texels is computed by owners. Texels are divided into bands of consecutive ones; first every
// chunk of pixels is sorted by the bands it touches, then one thread owns a band and visits its pixels in order. So
// every texel is summed in the order of the pixels, with the same bits for any number of threads and without atomics;
// a band stays in the cache, and no thread looks at pixels of others. Replicas per thread would cost a copy of the
// texture each and sum in an order that depends on their number; one pass over all pixels per owner (as interpolate
// does) repeats the look-ups as often as there are threads.
#include "dream3d/texture.h"

#include <algorithm>
#include <vector>

#include "dream3d/parallel.h"
#include "dream3d/texture_limits.h"

namespace dream3d {
namespace {

constexpr int64_t kChunk = 4096;      // pixels per task
constexpr int64_t kBinChunk = 16384;  // pixels that are sorted together
constexpr int64_t kMaxBands =
    128;  // enough for threads to share, few enough to rarely cross from one to the next
constexpr int64_t kMinBandTexels = 256;

int64_t num_pixels_of(const D3dTextureParams& p) { return p.num_views * p.num_pixels; }
int64_t num_pixels_of(const D3dTextureBackwardParams& p) { return p.num_views * p.num_pixels; }

// Most pixels of a picture are often background, to which nothing flows back.
bool has_gradient(const D3dTextureBackwardParams& p, int64_t pixel) {
  const float* grad = p.grad_image + pixel * p.layout.num_channels;
  for (int32_t c = 0; c < p.layout.num_channels; ++c) {
    if (grad[c] != 0.0f) return true;
  }
  return false;
}

// Pixels of a chunk, by band and then in order. A pixel between bands is in the list of each.
struct ChunkBins {
  std::vector<uint32_t> pixels;   // relative to the chunk
  std::vector<uint32_t> offsets;  // [num_bands + 1]
};

// Up to 8 texels of a pixel lie in few bands: calls visit(band) once for each.
template <class Visit>
void for_each_band(const D3dTextureBackwardParams& p, int64_t pixel, int64_t band_size, const Visit& visit) {
  int64_t bands[8];
  int count = 0;
  for_each_texel(p, pixel, [&](int64_t texel, float) {
    const int64_t band = texel / band_size;
    if (std::find(bands, bands + count, band) == bands + count) bands[count++] = band;
  });
  for (int i = 0; i < count; ++i) visit(bands[i]);
}

ChunkBins bin_chunk(const D3dTextureBackwardParams& p, int64_t begin, int64_t end, int64_t band_size,
                    int64_t num_bands) {
  struct Entry {
    uint32_t band, pixel;
  };
  std::vector<Entry> entries;
  entries.reserve(static_cast<size_t>(end - begin) * 5 / 4);
  ChunkBins bins;
  bins.offsets.assign(static_cast<size_t>(num_bands) + 1, 0);
  for (int64_t pixel = begin; pixel < end; ++pixel) {
    if (!has_gradient(p, pixel)) continue;
    for_each_band(p, pixel, band_size, [&](int64_t band) {
      entries.push_back({static_cast<uint32_t>(band), static_cast<uint32_t>(pixel - begin)});
      ++bins.offsets[band + 1];
    });
  }
  for (int64_t b = 0; b < num_bands; ++b) bins.offsets[b + 1] += bins.offsets[b];
  std::vector<uint32_t> next(bins.offsets.begin(), bins.offsets.end() - 1);
  bins.pixels.resize(entries.size());
  for (const Entry& entry : entries) bins.pixels[next[entry.band]++] = entry.pixel;
  return bins;
}

void add_band(const D3dTextureBackwardParams& p, const std::vector<ChunkBins>& chunks, int64_t band,
              int64_t first, int64_t last) {
  const int64_t channels = p.layout.num_channels;
  float* const out = p.grad_texels;
  std::fill(out + first * channels, out + last * channels, 0.0f);
  for (size_t chunk = 0; chunk < chunks.size(); ++chunk) {
    const ChunkBins& bins = chunks[chunk];
    for (uint32_t i = bins.offsets[band]; i < bins.offsets[band + 1]; ++i) {
      const int64_t pixel = static_cast<int64_t>(chunk) * kBinChunk + bins.pixels[i];
      const float* grad = p.grad_image + pixel * channels;
      for_each_texel(p, pixel, [&](int64_t texel, float weight) {
        if (texel < first || texel >= last) return;
        for (int64_t c = 0; c < channels; ++c) out[texel * channels + c] += weight * grad[c];
      });
    }
  }
}

void texture_texels_vjp(const D3dTextureBackwardParams& p, int n_threads) {
  const int64_t num_texels = p.num_textures * p.layout.offsets[p.layout.num_levels];
  const int64_t band_size = std::max(kMinBandTexels, (num_texels + kMaxBands - 1) / kMaxBands);
  const int64_t num_bands = (num_texels + band_size - 1) / band_size;
  const int64_t num_pixels = num_pixels_of(p);
  std::vector<ChunkBins> chunks(static_cast<size_t>((num_pixels + kBinChunk - 1) / kBinChunk));
  parallel_for_chunks(num_pixels, kBinChunk, n_threads, [&](int64_t begin, int64_t end) {
    chunks[begin / kBinChunk] = bin_chunk(p, begin, end, band_size, num_bands);
  });
  parallel_for_chunks(num_texels, band_size, n_threads, [&](int64_t first, int64_t last) {
    add_band(p, chunks, first / band_size, first, last);
  });
}

void texture(const D3dTextureParams& p, int n_threads) {
  check_texture(p);
  parallel_for_chunks(num_pixels_of(p), kChunk, n_threads, [&](int64_t begin, int64_t end) {
    for (int64_t pixel = begin; pixel < end; ++pixel) texture_pixel(p, pixel);
  });
}

void texture_backward(const D3dTextureBackwardParams& p, int n_threads) {
  check_texture(p);
  if (p.grad_texels != nullptr) texture_texels_vjp(p, n_threads);
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
