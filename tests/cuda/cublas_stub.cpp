// A libcublas for the CPU: the functions that kernels/on_cupy/cublas.py calls, with the signatures
// of cublas_api.h (an enum is an int, a cudaStream_t a pointer), on memory of the host. It refuses
// what cuBLAS refuses, and remembers what it was last asked for.

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace {

constexpr int SUCCESS = 0, NOT_INITIALIZED = 1, INVALID_VALUE = 7, NOT_SUPPORTED = 15;
constexpr int OP_T = 1;
constexpr int R_32F = 0, R_64F = 1;
constexpr int COMPUTE_32F = 68, COMPUTE_64F = 70, FAST_16BF = 75, FAST_TF32 = 77;

struct Handle {
    void* stream;
    void* workspace;
    std::size_t size;
};

// Column-major: element (i, j) of a matrix with the leading dimension ld is number i + j ld.
template <class T>
void gemm(bool ta, bool tb, int m, int n, int k, T alpha, const T* A, int lda, const T* B, int ldb,
          T beta, T* C, int ldc) {
    for (std::ptrdiff_t j = 0; j < n; j++)
        for (std::ptrdiff_t i = 0; i < m; i++) {
            T sum = 0;
            for (std::ptrdiff_t p = 0; p < k; p++)
                sum += (ta ? A[p + i * lda] : A[i + p * lda]) * (tb ? B[j + p * ldb] : B[p + j * ldb]);
            T& c = C[i + j * ldc];
            c = beta == 0 ? alpha * sum : alpha * sum + beta * c;
        }
}

}  // namespace

extern "C" {

int stub_create_status = SUCCESS;  // what the next handle is answered with
int stub_handles = 0;              // alive
int stub_calls = 0;                // of cublasGemmEx

struct {
    void *stream, *workspace;
    std::size_t size;
    int compute, algorithm;
} stub_last;

int cublasCreate_v2(Handle** handle) {
    if (stub_create_status) return stub_create_status;
    stub_handles++;
    *handle = new Handle{};
    return SUCCESS;
}

int cublasDestroy_v2(Handle* handle) {
    if (!handle) return NOT_INITIALIZED;
    stub_handles--;
    delete handle;
    return SUCCESS;
}

int cublasSetStream_v2(Handle* handle, void* stream) {
    if (!handle) return NOT_INITIALIZED;
    *handle = {stream, nullptr, 0};
    return SUCCESS;
}

int cublasSetWorkspace_v2(Handle* handle, void* workspace, std::size_t size) {
    if (!handle) return NOT_INITIALIZED;
    if (reinterpret_cast<std::uintptr_t>(workspace) % 256) return INVALID_VALUE;
    handle->workspace = workspace;
    handle->size = size;
    return SUCCESS;
}

const char* cublasGetStatusName(int status) {
    switch (status) {
        case SUCCESS: return "CUBLAS_STATUS_SUCCESS";
        case NOT_INITIALIZED: return "CUBLAS_STATUS_NOT_INITIALIZED";
        case INVALID_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
        case NOT_SUPPORTED: return "CUBLAS_STATUS_NOT_SUPPORTED";
    }
    return "unrecognized status";
}

int cublasGemmEx(Handle* handle, int transa, int transb, int m, int n, int k, const void* alpha,
                 const void* A, int Atype, int lda, const void* B, int Btype, int ldb,
                 const void* beta, void* C, int Ctype, int ldc, int compute, int algorithm) {
    if (!handle) return NOT_INITIALIZED;
    bool ta = transa == OP_T, tb = transb == OP_T;
    if (m < 0 || n < 0 || k < 0 || lda < std::max(1, ta ? k : m) ||
        ldb < std::max(1, tb ? n : k) || ldc < std::max(1, m))
        return INVALID_VALUE;
    stub_calls++;
    stub_last = {handle->stream, handle->workspace, handle->size, compute, algorithm};
    if (Atype != Btype || Atype != Ctype) return NOT_SUPPORTED;
    if (Atype == R_64F && compute == COMPUTE_64F)
        gemm(ta, tb, m, n, k, *(const double*)alpha, (const double*)A, lda, (const double*)B, ldb,
             *(const double*)beta, (double*)C, ldc);
    else if (Atype == R_32F &&
             (compute == COMPUTE_32F || compute == FAST_TF32 || compute == FAST_16BF))
        gemm(ta, tb, m, n, k, *(const float*)alpha, (const float*)A, lda, (const float*)B, ldb,
             *(const float*)beta, (float*)C, ldc);
    else
        return NOT_SUPPORTED;
    return SUCCESS;
}

}
