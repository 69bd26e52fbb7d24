cimport cython
from ewad.kernels cimport memory
from ewad.kernels.experts.base cimport Expert
from ewad.kernels.sample cimport Sample

cdef Py_ssize_t N
cdef double PHI, ERROR_BETA, ERROR_LIMIT

cdef class SesKernel(Expert):
    cdef Py_ssize_t n_horizons
    cdef double follows
    cdef object arrays
    cdef double* alphas
    cdef double* betas
    cdef double* reach
    cdef double* level
    cdef double* trend
    cdef double* loss

@cython.final
cdef class HoltKernel(SesKernel):
    pass
