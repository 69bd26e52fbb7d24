cimport cython
from libc cimport math
from ewad.kernels cimport memory

cdef double NAN, LN2

@cython.final
cdef class AverageKernel:
    cdef AverageKernel next
    cdef int more, follows, holds
    cdef double beta, pace, counted, paired, share, spread
    cdef double* weight
    cdef double* pairs
    cdef double* mean
    cdef double* scatter
    cdef double* held
    cpdef void take_all(self, object stream, object elapsed, object value, object out)
    cdef double expects(self, Py_ssize_t row) noexcept nogil
    cdef void take(self, Py_ssize_t row, double elapsed, double x, double* out, Py_ssize_t at) noexcept nogil
    cdef void hold(self, Py_ssize_t row, double elapsed, double x, double* out, Py_ssize_t at) noexcept nogil
    cdef void count_in(self, Py_ssize_t row, double elapsed, double x, double* out, Py_ssize_t at) noexcept nogil
    cdef void divide(self, double weight, double pairs) noexcept nogil
