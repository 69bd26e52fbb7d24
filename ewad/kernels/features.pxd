cimport cython
from libc cimport math
from libc.stdint cimport int64_t
from ewad.kernels cimport memory
from ewad.kernels.sample cimport Sample
from ewad.kernels.scale cimport ScaleKernel
from ewad.kernels.seasons cimport SeasonsKernel

cdef double LAG_LIMIT, LEVEL_LIMIT, JUMP_LIMIT, OUTLIER_LIMIT, TARGET_LIMIT, CROSSED, DAY, CIRCLE
cdef Py_ssize_t WEEK, DEVIATIONS, SEASON, YEAR, LEVEL, YEAR_SHAPE, N_CONTEXT, N_AVERAGES

@cython.final
cdef class FeaturesKernel:
    cdef Py_ssize_t lags, ahead, season, depth, first, n_horizons, n_slots, width
    cdef SeasonsKernel seasons
    cdef int full
    cdef object arrays
    cdef int64_t* horizons
    cdef double* betas
    cdef double* spreads
    cdef double* now
    cdef int64_t* count
    cdef int64_t* position
    cdef double* history
    cdef double* context
    cdef double* sums
    cdef double* weights
    cdef double* level
    cpdef Py_ssize_t write_examples(
        self, ScaleKernel scale, Sample s, object times, object values, object X, object Y,
    ) except -1
    cdef void place(self, Sample s, int restart) noexcept nogil
    cdef void take(self, Sample s) noexcept nogil
    cdef void differences(self, double* x, Py_ssize_t start, double before, double scale) noexcept nogil
    cdef int foretold(self, Sample s, Py_ssize_t origin) noexcept nogil
    cdef void targets(self, Sample s, Py_ssize_t origin) noexcept nogil
    cdef void see(self, Sample s, double change) noexcept nogil
    cdef double angle(self, double phase) noexcept nogil
    cdef void fill(self, double* x, double* context, Py_ssize_t at, double scale) noexcept nogil
