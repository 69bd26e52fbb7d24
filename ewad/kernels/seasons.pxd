cimport cython
from libc cimport math
from libc.stdint cimport int64_t
from ewad.kernels cimport memory
from ewad.kernels.sample cimport Sample

cdef double NAN, DAY, MOVED_ON, MOST
cdef Py_ssize_t WEEK, N_SLOT, BEFORE, LASTING

@cython.final
cdef class SeasonsKernel:
    cdef Py_ssize_t size, longest, n_horizons, n_slots
    cdef int finds
    cdef object arrays
    cdef int64_t* horizons
    cdef double* before
    cdef float* ring
    cdef double* base
    cdef double* day
    cdef double* opened
    cdef int64_t* season
    cdef void take(self, Sample s) noexcept nogil
    cdef void keep(self, Sample s) noexcept nogil
    cdef int has_moved_on(self, Sample s) noexcept nogil
    cdef void recall(self, Sample s, Py_ssize_t lags, double* out, Py_ssize_t at) noexcept nogil
    cdef void move_on(self, Py_ssize_t row, double value) noexcept nogil
    cdef void find(self, Sample s) noexcept nogil
