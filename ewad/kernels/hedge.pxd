cimport cython
from libc cimport math
from ewad.kernels cimport memory

cdef double RECORD_BETA, YOUNG, LEARNING_RATE, DROPPED, FAR, ERROR_LIMIT, FAR_ERROR_LIMIT, COMMON_LIMIT, SILENT, NO_LOSS, LATELY, INF

@cython.final
cdef class HedgeKernel:
    cdef Py_ssize_t n_horizons, n_experts
    cdef object array, arrays
    cdef double* horizons
    cdef double* limits
    cdef double* quick
    cdef double* shares
    cdef double* record
    cdef double* weight
    cdef double* lately
    cdef double* lately_weight
    cpdef write_shares(self, Py_ssize_t n_rows, object out)
    cdef void take(self, Py_ssize_t row, Py_ssize_t i, double number, double* errors) noexcept nogil
    cdef void weigh(self, Py_ssize_t at) noexcept nogil
