cimport cython
from libc.stdint cimport int64_t
from ewad.kernels cimport algebra, memory
from ewad.kernels.experts.base cimport Expert
from ewad.kernels.sample cimport Sample
from ewad.kernels.slots cimport SlotsKernel

cdef double NAN, AT_BOUND, LIMIT, BIAS, ALIKE
cdef Py_ssize_t FORECAST, LAST, MIXED, SAID, N_OF_PERIOD, N_FURTHER

@cython.final
cdef class StackKernel(Expert):
    cdef readonly Py_ssize_t n, n_models
    cdef SlotsKernel slots
    cdef Py_ssize_t n_horizons, n_heard, n_covariance, n_anchors, width, made
    cdef double variance, trace
    cdef object arrays, numbers
    cdef int64_t* horizons
    cdef int64_t* places
    cdef int64_t* anchors
    cdef int64_t* heard
    cdef int64_t* group
    cdef int64_t* paces
    cdef double* keeps
    cdef double* roots
    cdef double* x
    cdef double* px
    cdef double* initial
    cdef double* missed
    cdef double* theta
    cdef double* covariance
    cdef int64_t* diverged
    cdef double* pending
    cpdef follow(self, object forecasts, Py_ssize_t width, object places)
    cdef double moved(self, Sample s, Py_ssize_t i) noexcept nogil
    cdef double feature(self, double change, double unit) noexcept nogil
    cdef int hear(self, Py_ssize_t pending, double last, double unit) noexcept nogil
    cdef void remember(self, Sample s, Py_ssize_t i, double unit, double level, double target) noexcept nogil
    cdef void update(self, Sample s, Py_ssize_t i) noexcept nogil
    cdef void fit(self, Py_ssize_t model, Py_ssize_t i, double y) noexcept nogil
    cdef void start_anew(self, Py_ssize_t o) noexcept nogil
