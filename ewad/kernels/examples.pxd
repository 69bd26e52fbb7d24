cimport cython
from libc.stdint cimport int64_t
from ewad.kernels cimport memory
from ewad.kernels.sample cimport Sample

@cython.final
cdef class ExamplesKernel:
    cdef readonly Py_ssize_t n_x, n_y, size
    cdef Py_ssize_t n
    cdef object arrays
    cdef double* x
    cdef double* y
    cdef float* waiting_x
    cdef float* waiting_y
    cdef int64_t* collected
    cdef void take(self, Sample s) noexcept nogil
    cdef void fill(self, Py_ssize_t first) noexcept nogil
