cimport cython
from libc cimport math
from libc.stdint cimport int64_t
from ewad.kernels cimport memory
from ewad.kernels.calendar cimport CalendarKernel
from ewad.kernels.calibration cimport CalibrationKernel
from ewad.kernels.examples cimport ExamplesKernel
from ewad.kernels.experts.base cimport Expert
from ewad.kernels.experts.gradient cimport GradientExpert
from ewad.kernels.experts.stack cimport StackKernel
from ewad.kernels.external cimport ExternalKernel
from ewad.kernels.features cimport FeaturesKernel
from ewad.kernels.grid cimport GridKernel
from ewad.kernels.hedge cimport HedgeKernel
from ewad.kernels.inputs cimport InputsKernel
from ewad.kernels.intervals cimport IntervalsKernel
from ewad.kernels.sample cimport Sample
from ewad.kernels.scale cimport ScaleKernel
from ewad.kernels.seasons cimport SeasonsKernel

cdef double NAN, INFINITY, SKILL_BETA, ROUNDING, NOTHING, JUMP
cdef Py_ssize_t FORECAST, LAST, MIXED, SAID

@cython.final
cdef class ForecasterKernel:
    cdef object parts, arrays, scratch, due
    cdef Sample s
    cdef ScaleKernel scale
    cdef FeaturesKernel features
    cdef SeasonsKernel seasons
    cdef ExamplesKernel examples
    cdef Expert first
    cdef GradientExpert leader
    cdef StackKernel stack
    cdef CalendarKernel calendar
    cdef InputsKernel inputs
    cdef ExternalKernel external
    cdef Py_ssize_t n_sources
    cdef HedgeKernel hedge
    cdef CalibrationKernel calibration
    cdef IntervalsKernel intervals
    cdef GridKernel grid
    cdef int has_seasons, has_leader, has_stack, has_calendar, has_inputs, mixes, calibrates, has_intervals
    cdef int on_grid, shared
    cdef double max_gap
    cdef public double lowest, highest
    cdef Py_ssize_t n_horizons, n_experts, places
    cdef readonly Py_ssize_t width, columns
    cdef int64_t* horizons
    cdef int64_t* first_place
    cdef int64_t* place
    cdef double* roots
    cdef double* changes
    cdef double* errors
    cdef double* made
    cdef double* forecast
    cdef double* lower
    cdef double* upper
    cdef double* squared_error
    cdef double* squared_change
    cdef double* forecasts
    cdef double* widths
    cdef double expects(self, Py_ssize_t row) noexcept nogil
    cdef void give(self, Py_ssize_t row, Py_ssize_t origin, double time, double value) noexcept nogil
    cdef void keep_step(self, double seconds) noexcept nogil
    cdef void take(
        self, Py_ssize_t row, double time, double x, double elapsed, double* out, Py_ssize_t at,
    ) noexcept nogil
    cdef void forget(self, Py_ssize_t row) noexcept nogil
    cdef void see(self, Sample s, Py_ssize_t row, double time, double x, int restart) noexcept nogil
    cdef void consult(self, Expert expert, Py_ssize_t at) noexcept nogil
    cdef double made_by(self, Py_ssize_t expert, Py_ssize_t i) noexcept nogil
    cdef void find_places(self, Sample s) noexcept nogil
    cdef double smallest(self, Py_ssize_t i) noexcept nogil
    cdef double difference(self, double before, double smallest) noexcept nogil
    cdef double mix(self, Sample s, Py_ssize_t i) noexcept nogil
    cdef double jump(self, Sample s, Py_ssize_t i, double last) noexcept nogil
    cdef double follow(self, Sample s, Py_ssize_t i) noexcept nogil
    cdef double within(self, double told) noexcept nogil
    cdef void tell(self, Sample s, Py_ssize_t i, double forecast) noexcept nogil
