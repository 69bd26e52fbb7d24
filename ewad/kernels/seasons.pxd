cimport cython
from libc cimport math
from libc.stdint cimport int64_t
from ewad.kernels cimport memory
from ewad.kernels.sample cimport Sample

cdef double NAN, DAY
cdef Py_ssize_t WEEK

@cython.final
cdef class SeasonsKernel:
    cdef Py_ssize_t size, n_horizons
    cdef int finds
    cdef object arrays
    cdef int64_t* horizons
    cdef double* before
    cdef double* ring
    cdef double* day
    cdef double* opened
    cdef int64_t* season
    cdef void take(self, Sample s) noexcept nogil
    cdef void find(self, Sample s) noexcept nogil
