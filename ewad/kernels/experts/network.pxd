cimport cython
from libc.stdint cimport int64_t
from ewad.kernels cimport algebra, memory
from ewad.kernels.experts.gradient cimport GradientExpert

@cython.final
cdef class NetworkKernel(GradientExpert):
    cdef Py_ssize_t n_layers
    cdef object shape, buffers
    cdef int64_t* units
    cdef int64_t* first
    cdef int64_t* params
    cdef double* a
    cdef double* dz
    cdef void forward(self, Py_ssize_t row, double* x, Py_ssize_t x_at) noexcept nogil
    cdef void back(self, Py_ssize_t row, Py_ssize_t layer, Py_ssize_t g) noexcept nogil
