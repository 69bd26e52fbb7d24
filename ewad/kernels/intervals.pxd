cimport cython
from libc cimport math
from libc.stdint cimport int64_t
from ewad.kernels cimport memory

cdef double STEP, EAGER, SIZE_MEMORY, ERROR_LIMIT, NARROWEST, WIDEST, EXACT, COVERAGE_BETA

@cython.final
cdef class IntervalsKernel:
    cdef double coverage, outside, below, above
    cdef Py_ssize_t n_horizons
    cdef object arrays
    cdef double* twice
    cdef double* step_size
    cdef double* size_beta
    cdef double* width
    cdef int64_t* scored
    cdef double* square
    cdef double* square_weight
    cdef double* inside
    cdef double* weight
    cdef void take(
        self, Py_ssize_t row, Py_ssize_t i, double error, double unit, double below, double above,
    ) noexcept nogil
    cdef void widen(self, Py_ssize_t place, double by) noexcept nogil
    cdef double size(self, Py_ssize_t o, Py_ssize_t i, double relative) noexcept nogil
