cimport cython
from libc cimport math
from libc.stdint cimport int64_t
from ewad.kernels cimport memory

cdef double NAN, LEVEL_WEIGHT, SPREAD_WEIGHT, LONG, LONG_WEIGHT, BOUND, ENERGY_LIMIT, SMALL, UNHEARD, LARGEST, ROUNDING, BEYOND
cdef double OFTEN_WEIGHT, KNEE, STEEPNESS, TAIL, COMMON, COMMON_RARITY, UNIT_WEIGHT, KNOWN, PACE, LEAST_QUANTILE, LEAST_EXCESS, EXCESS_BOUND
cdef double STRICTER, RELIEF
cdef Py_ssize_t ERRORS, LEVEL, SPREAD, OUTSIDE, WARM, RANGE_WARM, YOUNG, BOUNDED, REFRACTORY
cdef Py_ssize_t RECENT, SQUARE, NOW, LEVEL_MEAN, ENERGY, SPREAD_MEAN, HIGHEST, LOWEST, LEAVES, QUANTILE, EXCESS
cdef Py_ssize_t BAR, SCORE, PEAK, HELD, CALM, WIDTH

@cython.final
cdef class AnomalyKernel:
    cdef object span_weights
    cdef double* span_weight
    cdef double least, least_share, hold, calm, share, square, pace, best, common
    cdef int direction, choosy
    cdef Py_ssize_t part
    cdef int64_t* count
    cdef double* record
    cdef int64_t* left
    cdef int64_t* alarms
    cdef int64_t* reason
    cpdef double observe(self, Py_ssize_t row, double x, double expected, double elapsed) noexcept
    cdef double take(self, Py_ssize_t row, double x, double expected, double elapsed) noexcept nogil
    cdef void take_error(self, Py_ssize_t o, Py_ssize_t n, double error, double expected) noexcept nogil
    cdef double size(self, Py_ssize_t place, Py_ssize_t n, double y) noexcept nogil
    cdef double deviation(self, Py_ssize_t place, Py_ssize_t n, double y) noexcept nogil
    cdef void weigh(
        self, Py_ssize_t o, Py_ssize_t k, Py_ssize_t n, double off, double by, double around,
    ) noexcept nogil
    cdef void hear(
        self, Py_ssize_t o, Py_ssize_t k, Py_ssize_t n, double off, double by, double around,
    ) noexcept nogil
    cdef int counts(self, double by, double around) noexcept nogil
    cdef double leave(self, Py_ssize_t o, Py_ssize_t n, double x) noexcept nogil
    cdef void decide(self, Py_ssize_t row, double score, double elapsed) noexcept nogil
