cimport cython
from ewad.kernels cimport algebra, memory
from ewad.kernels.experts.gradient cimport GradientExpert

@cython.final
cdef class LinearKernel(GradientExpert):
    cdef Py_ssize_t n_x
    cdef object array
    cdef double* error
