cimport cython
from libc.stdint cimport int64_t
from ewad.kernels cimport memory

cdef double INF

@cython.final
cdef class PlateauKernel:
    cdef Py_ssize_t patience
    cdef double tolerance, growth, beta
    cdef object arrays
    cdef double* weight
    cdef double* loss_sum
    cdef double* norm_sum
    cdef double* best
    cdef double* lowest_norm
    cdef int64_t* stalled
    cdef int step(self, Py_ssize_t row, double cost, double gradient_norm) noexcept nogil
    cdef void forget(self, Py_ssize_t row) noexcept nogil
