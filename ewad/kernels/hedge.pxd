cimport cython
from libc cimport math
from ewad.kernels cimport memory

cdef double RECORD_BETA, YOUNG, LEARNING_RATE, DROPPED, FAR, ERROR_LIMIT, FAR_ERROR_LIMIT, COMMON_LIMIT, SILENT, NO_LOSS, INF

@cython.final
cdef class HedgeKernel:
    cdef Py_ssize_t n_horizons, n_experts
    cdef object array
    cdef double* shares
    cdef double* record
    cdef double* weight
    cpdef write_shares(self, Py_ssize_t n_rows, object out)
    cdef void take(
        self, Py_ssize_t row, Py_ssize_t i, double horizon, double number, double* errors,
    ) noexcept nogil
    cdef void weigh(self, Py_ssize_t o, double weight) noexcept nogil
