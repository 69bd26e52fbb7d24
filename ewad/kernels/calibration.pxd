cimport cython
from libc cimport math
from libc.stdint cimport int64_t
from ewad.kernels cimport memory
from ewad.kernels.sample cimport Sample

cdef double CHANGE_LIMIT, WIDE, EVEN, CHANCE, RECORD_BETA, RECENT_BETA, YOUNG, LOST_BETA, LOST, LOSING, BENEFIT, DAY, BACK
cdef double BACK_SCALES, SEASONAL_INTERVAL, TWO_YEARS, RARE, TINY
cdef Py_ssize_t STANDS, PROMISED, CAME, AGREED, SPREAD, WEIGHT, LATELY, RIGHTLY, LOSSES, N_SUMS, N_RANGES, SETTLED

@cython.final
cdef class CalibrationKernel:
    cdef Py_ssize_t n, farthest
    cdef object arrays, places
    cdef double* horizons
    cdef double* near
    cdef int64_t* at
    cdef double* record
    cdef double* share
    cdef double* began
    cdef double* low
    cdef double* high
    cdef void take(
        self, Sample s, Py_ssize_t i, double promised, double came, int inside, double smallest,
    ) noexcept nogil
    cdef double bounded(self, double change, double smallest, double limit) noexcept nogil
    cdef void widen(self, Sample s) noexcept nogil
    cdef void bound(self, Sample s) noexcept nogil
    cdef int seen(self, Sample s, double last) noexcept nogil
    cdef void add(self, Py_ssize_t place, double decay, double term) noexcept nogil
    cdef void work_out(self, Sample s) noexcept nogil
    cdef double follow(self, Sample s, Py_ssize_t i, double change) noexcept nogil
    cdef double share_of(self, Sample s, Py_ssize_t i, int unseen) noexcept nogil
    cdef double overlaps(self, Sample s, Py_ssize_t i, double ratio) noexcept nogil
    cdef double moved(self, Sample s, Py_ssize_t i) noexcept nogil
    cdef double least_ratio(self, double weight, double horizon) noexcept nogil
