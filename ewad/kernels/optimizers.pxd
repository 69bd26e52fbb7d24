cimport cython
from libc cimport math
from libc.stdint cimport int64_t
from ewad.kernels cimport memory

cdef class OptimizerKernel:
    cdef Py_ssize_t n
    cdef int n_moments, counts
    cdef double* first
    cdef double* second
    cdef int64_t* steps
    cpdef bind(self, object moment_0, object moment_1, object moment_2)
    cdef void forget(self, Py_ssize_t row) noexcept nogil
    cdef void step(self, Py_ssize_t row, double* theta, double* g, Py_ssize_t at, double rate) noexcept nogil

@cython.final
cdef class MomentumKernel(OptimizerKernel):
    cdef double beta1, taken

@cython.final
cdef class RMSpropKernel(OptimizerKernel):
    cdef double beta2, inside, outside

@cython.final
cdef class AdamKernel(OptimizerKernel):
    cdef double beta1, beta2, epsilon, weight_decay
