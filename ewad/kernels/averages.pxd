cimport cython
from libc cimport math
from ewad.kernels cimport memory

cdef double NAN, LN2, LONG
cdef Py_ssize_t SEGMENTS
cdef double toward(double mean, double x, double share) noexcept nogil

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
    cpdef void smooth(self, object value, object out)
    cdef Py_ssize_t settle(self, double* x, double* means, Py_ssize_t n) noexcept nogil
    cdef void average_segments(self, double* x, double* means, Py_ssize_t first, Py_ssize_t size) noexcept nogil
    cdef void go_on(self, double* x, double* means, Py_ssize_t first, Py_ssize_t end, int known) noexcept nogil
    cdef double expects(self, Py_ssize_t row) noexcept nogil
    cdef void take(self, Py_ssize_t row, double elapsed, double x, double* out, Py_ssize_t at) noexcept nogil
    cdef void hold(self, Py_ssize_t row, double elapsed, double x, double* out, Py_ssize_t at) noexcept nogil
    cdef void count_in(self, Py_ssize_t row, double elapsed, double x, double* out, Py_ssize_t at) noexcept nogil
    cdef void divide(self, double weight, double pairs) noexcept nogil
