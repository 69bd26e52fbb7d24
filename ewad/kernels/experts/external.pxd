cimport cython
from libc.stdint cimport int64_t
from ewad.kernels cimport memory
from ewad.kernels.experts.base cimport Expert
from ewad.kernels.external cimport ExternalKernel
from ewad.kernels.sample cimport Sample

cdef double FARTHEST

@cython.final
cdef class ExternalExpert(Expert):
    cdef Py_ssize_t source, n_horizons, n_learners
    cdef ExternalKernel store
    cdef object arrays
    cdef double* horizons
    cdef int64_t* learners
