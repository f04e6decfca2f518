// The C interface of both libraries (libdream3d_cpu, libdream3d_cuda): the same names, one params struct per
// kernel.
//
// Every kernel is called as  int32_t d3d_NAME(const D3dNAMEParams*, size_t params_size, const D3dLaunch*)
// and returns a D3dStatus; after a failure d3d_last_error() says why (per thread). Pointers are host memory
// for the CPU library and device memory for the CUDA library, dense and row-major. All outputs and workspaces
// are the caller's. The struct mirrors in dream3d/ops/*.py must match field by field; params_size catches a
// stale library.
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define D3D_API __declspec(dllexport)
#else
#define D3D_API __attribute__((visibility("default")))
#endif

extern "C" {

enum D3dStatus : int32_t {
  D3D_OK = 0,
  D3D_INVALID_ARGUMENT = 1,
  D3D_OUT_OF_MEMORY = 2,
  D3D_DEVICE_ERROR = 3,
  D3D_ABI_MISMATCH = 4,
};

// Where and how a kernel runs. The CPU library reads n_threads, the CUDA library reads stream and device.
struct D3dLaunch {
  void* stream;       // cudaStream_t
  int32_t device;     // CUDA device index
  int32_t n_threads;  // >= 1
};

// ---- library
// -------------------------------------------------------------------------------------------------------

D3D_API const char* d3d_last_error(void);    // of the calling thread; "" if none
D3D_API int32_t d3d_device_count(void);      // CPU library: 1; CUDA library: usable devices, 0 without a driver

// ---- rasterize
// -----------------------------------------------------------------------------------------------------

struct D3dRasterizeParams {
  const float* positions;   // [B, V, 4] clip space (OpenGL)
  const int32_t* faces;     // [T, 3] vertex indices; a triangle with an index outside [0, V) is skipped
  int32_t* triangle_id;     // [B, H, W] out; -1 where nothing is visible
  float* barycentrics;      // [B, H, W, 2] out; perspective-correct weights of vertex 0 and 1; 0 where empty
  float* depth;             // [B, H, W] out; z/w in [-1, 1]; +1 where empty
  uint64_t* z_buffer;       // [B, H, W] workspace of the CUDA library; may be null for the CPU library
  int64_t num_views;        // B
  int64_t num_vertices;     // V
  int64_t num_triangles;    // T
  int64_t height;           // H <= 32768
  int64_t width;            // W <= 32768
};

D3D_API int32_t d3d_rasterize(const D3dRasterizeParams* params, size_t params_size, const D3dLaunch* launch);

// ---- barycentrics: the derivatives of what rasterize writes
// --------------------------------------------------------------------------------

struct D3dScreenDerivativesParams {
  const float* positions;      // [B, V, 4] of rasterize
  const int32_t* faces;        // [T, 3]
  const int32_t* triangle_id;  // [B, H, W] of rasterize
  float* derivatives;          // [B, H, W, 2, 2] out; d(u, v) / d(x, y) per pixel, y down; 0 where empty
  int64_t num_views;           // B
  int64_t num_vertices;        // V
  int64_t num_triangles;       // T
  int64_t height;              // H
  int64_t width;               // W
};

D3D_API int32_t d3d_screen_derivatives(const D3dScreenDerivativesParams* params, size_t params_size,
                                       const D3dLaunch* launch);

struct D3dBarycentricsBackwardParams {
  const float* positions;          // [B, V, 4]
  const int32_t* faces;            // [T, 3]
  const int32_t* triangle_id;      // [B, H, W]
  const float* grad_barycentrics;  // [B, H, W, 2], or null for zero
  const float* grad_derivatives;   // [B, H, W, 2, 2], or null for zero
  float* grad_positions;           // [B, V, 4] out, overwritten; that of z is 0
  int64_t num_views;               // B
  int64_t num_vertices;            // V
  int64_t num_triangles;           // T
  int64_t height;                  // H
  int64_t width;                   // W
};

D3D_API int32_t d3d_barycentrics_backward(const D3dBarycentricsBackwardParams* params, size_t params_size,
                                          const D3dLaunch* launch);

// ---- interpolate ---------------------------------------------------------------------------------------------------

// Either the values, with the barycentrics as weights, or their screen derivatives, with those of the barycentrics.
struct D3dInterpolateParams {
  const float* attributes;       // [A, V, C]
  const int32_t* faces;          // [T, 3]
  const int32_t* triangle_id;    // [B, P] of rasterize
  const float* weights;          // [B, P, 2] of rasterize; derivatives: [B, P, 2, 2] of screen_derivatives
  float* image;                  // [B, P, C] out; derivatives: [B, P, C, 2]; 0 where triangle_id < 0
  int64_t num_attribute_sets;    // A = 1 (shared by the views) or B
  int64_t num_views;             // B
  int64_t num_vertices;          // V
  int64_t num_triangles;         // T
  int64_t num_pixels;            // P = H * W
  int64_t num_channels;          // C
};

D3D_API int32_t d3d_interpolate(const D3dInterpolateParams* params, size_t params_size, const D3dLaunch* launch);
D3D_API int32_t d3d_interpolate_derivatives(const D3dInterpolateParams* params, size_t params_size,
                                            const D3dLaunch* launch);

struct D3dInterpolateBackwardParams {
  const float* grad_image;       // [B, P, C]; derivatives: [B, P, C, 2]
  const float* attributes;       // [A, V, C]; read only for grad_weights
  const int32_t* faces;          // [T, 3]
  const int32_t* triangle_id;    // [B, P]
  const float* weights;          // as in D3dInterpolateParams
  float* grad_attributes;        // [A, V, C] out, overwritten; or null
  float* grad_weights;           // shape of weights, out; or null
  int64_t num_attribute_sets;    // A
  int64_t num_views;             // B
  int64_t num_vertices;          // V
  int64_t num_triangles;         // T
  int64_t num_pixels;            // P
  int64_t num_channels;          // C
};

D3D_API int32_t d3d_interpolate_backward(const D3dInterpolateBackwardParams* params, size_t params_size,
                                         const D3dLaunch* launch);
D3D_API int32_t d3d_interpolate_derivatives_backward(const D3dInterpolateBackwardParams* params,
                                                     size_t params_size, const D3dLaunch* launch);

// ---- texture -------------------------------------------------------------------------------------------------------

enum { D3D_MAX_MIP_LEVELS = 16 };
enum D3dTextureFilter : int32_t { D3D_NEAREST = 0, D3D_BILINEAR = 1, D3D_TRILINEAR = 2 };
enum D3dTextureBoundary : int32_t { D3D_WRAP = 0, D3D_CLAMP = 1, D3D_CUBE = 2 };

// The levels of one texture lie one behind the other, the finest first: M texels. A level is [h, w], of a cube
// [6, s, s] with the faces +X, -X, +Y, -Y, +Z, -Z.
struct D3dTextureLayout {
  int32_t filter;                         // D3dTextureFilter; all but trilinear read level 0 only
  int32_t boundary;                       // D3dTextureBoundary
  int32_t num_levels;                     // 1 to 16
  int32_t num_channels;                   // C >= 0
  int32_t heights[D3D_MAX_MIP_LEVELS];    // [num_levels], 1 to 32768
  int32_t widths[D3D_MAX_MIP_LEVELS];     // [num_levels]
  int64_t offsets[D3D_MAX_MIP_LEVELS + 1];  // [num_levels + 1] first texel of each level; the last one is M
};

struct D3dTextureParams {
  const float* texels;          // [A, M, C]
  const float* uv;              // [B, P, 2]; of a cube directions [B, P, 3]
  const float* uv_derivatives;  // [B, P, 2, 2] d(u, v)/d(x, y), read by trilinear; or null. Null for a cube
  const float* mip_bias;        // [B, P] added to the level, read by trilinear; or null
  float* image;                 // [B, P, C] out
  int64_t num_textures;         // A = 1 (shared by the views) or B
  int64_t num_views;            // B
  int64_t num_pixels;           // P = H * W
  D3dTextureLayout layout;
};

D3D_API int32_t d3d_texture(const D3dTextureParams* params, size_t params_size, const D3dLaunch* launch);

struct D3dTextureBackwardParams {
  const float* grad_image;      // [B, P, C]
  const float* texels;          // [A, M, C]
  const float* uv;              // [B, P, 2 or 3]
  const float* uv_derivatives;  // [B, P, 2, 2] or null
  const float* mip_bias;        // [B, P] or null
  float* grad_texels;           // [A, M, C] out, overwritten; or null
  float* grad_uv;               // [B, P, 2 or 3] out, or null
  float* grad_uv_derivatives;   // [B, P, 2, 2] out, or null
  float* grad_mip_bias;         // [B, P] out, or null
  int64_t num_textures;         // A
  int64_t num_views;            // B
  int64_t num_pixels;           // P
  D3dTextureLayout layout;
};

D3D_API int32_t d3d_texture_backward(const D3dTextureBackwardParams* params, size_t params_size,
                                     const D3dLaunch* launch);

// ---- antialias
// -----------------------------------------------------------------------------------------------------

// A pair is a pixel and its neighbour to the right (axis 0) or below (axis 1).
enum {
  D3D_NO_EDGE = -1,       // the pixels of the pair are not separated, or there is no neighbour
  D3D_INTERSECTION = -2,  // the triangles that they see pass through each other
};

struct D3dAntialiasEdgesParams {
  const float* positions;      // [B, V, 4] clip space (OpenGL)
  const int32_t* faces;        // [T, 3]
  const int32_t* neighbors;    // [T, 3] half-edge 3 t + e on the other side of each edge; < 0 for none
  const int32_t* triangle_id;  // [B, H, W] of rasterize
  const float* depth;          // [B, H, W] of rasterize
  int32_t* edge;               // [B, H, W, 2] out; half-edge that separates a pair, or one of the above
  float* crossing;             // [B, H, W, 2] out; how far from the pixel's centre in [0, 1]; 0 for none
  int64_t num_views;           // B
  int64_t num_vertices;        // V
  int64_t num_triangles;       // T < 2^31 / 3
  int64_t height;              // H
  int64_t width;               // W
};

D3D_API int32_t d3d_antialias_edges(const D3dAntialiasEdgesParams* params, size_t params_size,
                                    const D3dLaunch* launch);

struct D3dAntialiasParams {
  const float* image;     // [B, H, W, C]
  const int32_t* edge;    // [B, H, W, 2] of antialias_edges
  const float* crossing;  // [B, H, W, 2] of antialias_edges
  float* output;          // [B, H, W, C] out
  int64_t num_views;      // B
  int64_t height;         // H
  int64_t width;          // W
  int64_t num_channels;   // C
};

D3D_API int32_t d3d_antialias(const D3dAntialiasParams* params, size_t params_size, const D3dLaunch* launch);

struct D3dAntialiasBackwardParams {
  const float* grad_output;    // [B, H, W, C]
  const float* image;          // [B, H, W, C]
  const float* positions;      // [B, V, 4]
  const int32_t* faces;        // [T, 3]
  const int32_t* triangle_id;  // [B, H, W]
  const int32_t* edge;         // [B, H, W, 2] of antialias_edges
  const float* crossing;       // [B, H, W, 2] of antialias_edges
  float* grad_image;           // [B, H, W, C] out, that of blending; or null
  float* grad_positions;       // [B, V, 4] out, overwritten; or null
  int64_t num_views;           // B
  int64_t num_vertices;        // V
  int64_t num_triangles;       // T
  int64_t height;              // H
  int64_t width;               // W
  int64_t num_channels;        // C
  int32_t exact;               // 0: the derivative of the blended picture; 1: dealt to both pixels of the pair
};

D3D_API int32_t d3d_antialias_backward(const D3dAntialiasBackwardParams* params, size_t params_size,
                                       const D3dLaunch* launch);

// ---- hash_grid
// -----------------------------------------------------------------------------------------------------

enum { D3D_MAX_LEVELS = 32 };

// Layout of the table. Level l owns rows offsets[l] to offsets[l + 1]; it is hashed, and its number of rows a
// power of two, when (resolutions[l] + 1)^3 exceeds that number.
struct D3dHashGridLevels {
  int32_t num_levels;                   // L
  int32_t features;                     // F: 1, 2, 4 or 8
  int32_t resolutions[D3D_MAX_LEVELS];  // [L] cells per axis
  int64_t offsets[D3D_MAX_LEVELS + 1];  // [L + 1]; the last one is E
};

struct D3dHashGridParams {
  const float* points;  // [N, 3]; clamped to [0, 1]
  const float* table;   // [E, F]
  float* encoded;       // [N, L * F] out
  int64_t num_points;   // N
  D3dHashGridLevels levels;
};

D3D_API int32_t d3d_hash_grid(const D3dHashGridParams* params, size_t params_size, const D3dLaunch* launch);

struct D3dHashGridBackwardParams {
  const float* points;        // [N, 3]
  const float* table;         // [E, F]; read only for grad_points
  const float* grad_encoded;  // [N, L * F]
  float* grad_table;          // [E, F] out, or null
  float* grad_points;         // [N, 3] out, or null
  int64_t num_points;         // N
  D3dHashGridLevels levels;
};

D3D_API int32_t d3d_hash_grid_backward(const D3dHashGridBackwardParams* params, size_t params_size,
                                       const D3dLaunch* launch);

// ---- field_mlp (CPU library only) ----------------------------------------------------------------------------------

enum {
  D3D_FIELD_SHARD_POINTS = 4096,    // points whose weight gradients are summed into one shard
  D3D_FIELD_CHUNK_POINTS = 65536,  // points per pass of the backward kernel
};

// A hash grid followed by output = W2 max(W1 encoded + b1, 0) + b2.
struct D3dFieldMlpParams {
  const float* points;  // [N, 3]; clamped to [0, 1]
  const float* table;   // [E, F]
  const float* w1;      // [H, L * F]
  const float* b1;      // [H]
  const float* w2;      // [O, H]
  const float* b2;      // [O]
  float* output;        // [N, O] out
  int64_t num_points;   // N
  int32_t hidden;       // H: a multiple of 8, at most 128
  int32_t outputs;      // O: 1 to 8
  D3dHashGridLevels levels;
};

D3D_API int32_t d3d_field_mlp(const D3dFieldMlpParams* params, size_t params_size, const D3dLaunch* launch);

struct D3dFieldMlpBackwardParams {
  const float* points;       // [N, 3]
  const float* table;        // [E, F]
  const float* w1;           // [H, L * F]
  const float* b1;           // [H]
  const float* w2;           // [O, H]
  const float* b2;           // [O]
  const float* grad_output;  // [N, O]
  float* grad_table;         // [E, F] out, or null
  float* grad_weights;       // [H * L * F + H + O * H + O] out: gradients to w1, b1, w2, b2, one after the other
  float* grad_points;        // [N, 3] out, or null
  float* grad_encoded;       // [L, min(N, D3D_FIELD_CHUNK_POINTS), F] workspace
  float* shards;             // [ceil(N / D3D_FIELD_SHARD_POINTS), H * L * F + H + O * H + O] workspace
  int64_t num_points;        // N
  int32_t hidden;            // H
  int32_t outputs;           // O
  D3dHashGridLevels levels;
};

D3D_API int32_t d3d_field_mlp_backward(const D3dFieldMlpBackwardParams* params, size_t params_size,
                                       const D3dLaunch* launch);

// ---- ray_march
// -----------------------------------------------------------------------------------------------------

// Count (d3d_ray_march_count), scan (the caller), write (d3d_ray_march_write).
struct D3dRayMarchParams {
  const float* origins;      // [R, 3]
  const float* directions;   // [R, 3]
  const float* jitter;       // [R] in [0, 1)
  const uint8_t* occupancy;  // [X, Y, Z], nonzero = occupied
  int32_t* counts;           // [R] out of count, in of write: samples of the ray; -1: more than 2^23 intervals
  const int32_t* starts;     // [R] in of write: first sample of the ray
  float* t_starts;           // [S] out of write
  float* t_ends;             // [S] out of write
  int32_t* ray_index;        // [S] out of write
  int64_t num_rays;          // R
  int32_t resolution[3];     // X, Y, Z
  float aabb[6];             // lower corner, upper corner
  float step_size;           // > 0
};

D3D_API int32_t d3d_ray_march_count(const D3dRayMarchParams* params, size_t params_size, const D3dLaunch* launch);
D3D_API int32_t d3d_ray_march_write(const D3dRayMarchParams* params, size_t params_size, const D3dLaunch* launch);

// ---- marching_tetrahedra -------------------------------------------------------------------------------------------

enum {
  D3D_TET_GROUP = 32,        // tetrahedra that are counted together
  D3D_TET_BAD_INDEX = -1,    // count of a group with a vertex outside [0, V)
  D3D_TET_NOT_FINITE = -2,   // count of a group with a distance that is not finite
};

// Count (d3d_marching_tetrahedra_count), scan (the caller), write (d3d_marching_tetrahedra_write).
struct D3dMarchingTetrahedraParams {
  const float* sdf;        // [V], negative inside; zero is outside
  const int32_t* tets;     // [K, 4] vertex indices, right-handed
  int32_t* counts;         // [G] out of count, in of write: triangles of each group; G = ceil(K / D3D_TET_GROUP)
  const int64_t* starts;   // [G] in of write: first triangle of the group
  int64_t* corner_edges;   // [M, 3] out of write: the edge each corner is on, as V * smaller + larger vertex index
  int64_t num_vertices;    // V < 2^31
  int64_t num_tets;        // K
};

D3D_API int32_t d3d_marching_tetrahedra_count(const D3dMarchingTetrahedraParams* params, size_t params_size,
                                              const D3dLaunch* launch);
D3D_API int32_t d3d_marching_tetrahedra_write(const D3dMarchingTetrahedraParams* params, size_t params_size,
                                              const D3dLaunch* launch);

// ---- composite
// -----------------------------------------------------------------------------------------------------

struct D3dCompositeParams {
  const float* density;        // [S]
  const float* values;         // [S, C]
  const float* t_starts;       // [S]
  const float* t_ends;         // [S]
  const int32_t* packed_info;  // [R, 2] first sample, number of samples; ranges must not overlap
  float* ray_values;           // [R, C] out
  float* opacity;              // [R] out
  float* depth;                // [R] out
  float* weights;              // [S] out; samples of no ray are not written
  float* transmittance;        // [S] out; behind each sample
  int64_t num_rays;            // R
  int64_t num_samples;         // S
  int32_t num_channels;        // C >= 0
  float early_stop;            // samples at a transmittance below this weigh nothing
};

D3D_API int32_t d3d_composite(const D3dCompositeParams* params, size_t params_size, const D3dLaunch* launch);

struct D3dCompositeBackwardParams {
  const float* values;           // [S, C]
  const float* t_starts;         // [S]
  const float* t_ends;           // [S]
  const int32_t* packed_info;    // [R, 2]
  const float* weights;          // [S] of the forward call
  const float* transmittance;    // [S] of the forward call
  const float* grad_ray_values;  // [R, C], or null for zero
  const float* grad_opacity;     // [R], or null
  const float* grad_depth;       // [R], or null
  const float* grad_weights;     // [S], or null
  float* grad_density;           // [S] out; samples of no ray are not written
  float* grad_values;            // [S, C] out, or null
  int64_t num_rays;              // R
  int64_t num_samples;           // S
  int32_t num_channels;          // C >= 0
};

D3D_API int32_t d3d_composite_backward(const D3dCompositeBackwardParams* params, size_t params_size,
                                       const D3dLaunch* launch);

// ---- group_norm_silu (CPU library only)
// -----------------------------------------------------------------------------------------------------

// Images are [B, P, C] (P pixels, channels last), float or bfloat16. A group is C / G consecutive channels.
struct D3dGroupNormSiluParams {
  const void* input;     // [B, P, C]
  const float* gain;     // [B, C]
  const float* bias;     // [B, C]
  void* output;          // [B, P, C] out
  float* mean;           // [B, G] out
  float* inverse_std;    // [B, G] out
  int64_t num_images;    // B
  int64_t num_pixels;    // P >= 1
  int32_t num_channels;  // C, a multiple of 16
  int32_t num_groups;    // G, divides C
  int32_t is_bfloat16;   // of input and output
  float epsilon;         // added to the variance
};

D3D_API int32_t d3d_group_norm_silu(const D3dGroupNormSiluParams* params, size_t params_size,
                                    const D3dLaunch* launch);

struct D3dGroupNormSiluBackwardParams {
  const void* input;         // [B, P, C]
  const float* gain;         // [B, C]
  const float* bias;         // [B, C]
  const float* mean;         // [B, G] of the forward call
  const float* inverse_std;  // [B, G] of the forward call
  const void* grad_output;   // [B, P, C]
  void* grad_input;          // [B, P, C] out
  float* grad_gain;          // [B, C] out
  float* grad_bias;          // [B, C] out
  int64_t num_images;        // B
  int64_t num_pixels;        // P >= 1
  int32_t num_channels;      // C, a multiple of 16
  int32_t num_groups;        // G, divides C
  int32_t is_bfloat16;       // of input, grad_output and grad_input
};

D3D_API int32_t d3d_group_norm_silu_backward(const D3dGroupNormSiluBackwardParams* params, size_t params_size,
                                             const D3dLaunch* launch);

// ---- winograd_conv (CPU library only)
// -----------------------------------------------------------------------------------------------------

// Convolution with 3 x 3 weights, stride 1 and one pixel of zeros around the image; channels last.
struct D3dWinogradConvParams {
  const float* input;    // [B, H, W, C]
  const float* weight;   // [36, K / 16, C, 16], G g G^T of every pair of channels
  const float* bias;     // [K]
  float* output;         // [B, H, W, K] out
  int64_t num_images;    // B
  int32_t height;        // H >= 1
  int32_t width;         // W >= 1
  int32_t in_channels;   // C, a multiple of 16
  int32_t out_channels;  // K, a multiple of 16
};

D3D_API int32_t d3d_winograd_conv(const D3dWinogradConvParams* params, size_t params_size,
                                  const D3dLaunch* launch);

}  // extern "C"
