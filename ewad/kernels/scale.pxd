cimport cython
from libc cimport math
from libc.stdint cimport int64_t
from ewad.kernels cimport memory
from ewad.kernels.sample cimport Sample

cdef double SCALE_BETA, OUTLIER_LIMIT, LONE_LIMIT, QUIET_BETA, QUIET, ROUNDING, NORMAL, MOST_DOUBLED

@cython.final
cdef class ScaleKernel:
    cdef double* steady
    cdef double* last
    cdef double* square
    cdef double* size
    cdef double* weight
    cdef double* recent
    cdef int64_t* streak
    cdef int64_t* stayed
    cdef int64_t* returned
    cdef void take(self, Sample s) noexcept nogil
    cdef void count(self, Py_ssize_t row, double move) noexcept nogil
    cdef void tell(self, Sample s) noexcept nogil
