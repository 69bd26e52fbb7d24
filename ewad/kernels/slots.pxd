cimport cython
from libc cimport math
from libc.stdint cimport int64_t
from ewad.kernels cimport memory
from ewad.kernels.calendar cimport CalendarKernel
from ewad.kernels.sample cimport Sample

cdef double NAN, ALIKE, MOST_VOTES, ENOUGH, CHANGED, USEFUL, EXACT, OUTLIER_LIMIT, OTHER_UNIT, DAY, WEEK, FARTHEST, USUAL_BETA, MOVED_ON
cdef Py_ssize_t N_KEPT, NOWHERE

@cython.final
cdef class SlotsKernel:
    cdef readonly Py_ssize_t n
    cdef Py_ssize_t n_known, n_anchors, n_values, n_errors, n_recent
    cdef int counts, has_calendar
    cdef CalendarKernel calendar
    cdef object arrays, numbers, scratch
    cdef double* known
    cdef int64_t* anchor
    cdef double clock, step, now, value, usual, share
    cdef Py_ssize_t low, high
    cdef double* width
    cdef double* error_width
    cdef double* moments
    cdef double* values
    cdef double* usuals
    cdef double* last
    cdef double* level
    cdef double* recent
    cdef double* unit
    cdef double* interval
    cdef double* votes
    cdef double* every
    cdef double* origin
    cdef double* newest
    cdef double* period
    cdef double* head
    cdef double* filled
    cdef double* base
    cdef float* kept
    cdef double* error_head
    cdef double* error_filled
    cdef float* errors
    cdef void see(self, Sample s) noexcept nogil
    cdef double level_before(self, Sample s, Py_ssize_t steps) noexcept nogil
    cdef void follow(self, Sample s) noexcept nogil
    cdef void vote(self, Sample s, double elapsed) noexcept nogil
    cdef void begin(self, Sample s) noexcept nogil
    cdef void look_anew(self) noexcept nogil
    cdef void keep(self, Sample s, double* missed) noexcept nogil
    cdef void move_on(self, Py_ssize_t row) noexcept nogil
    cdef void keep_value(self, Sample s, Py_ssize_t k, int outlier) noexcept nogil
    cdef void keep_errors(self, Sample s, Py_ssize_t k, int outlier, double* missed) noexcept nogil
    cdef void clear(self, float* ring, Py_ssize_t o, Py_ssize_t size, Py_ssize_t every, double head, double b) noexcept nogil
    @cython.locals(size=Py_ssize_t, k=Py_ssize_t, back=double, usual=double)
    cdef void carry(self, Py_ssize_t o, Py_ssize_t ring, double width, double b) noexcept nogil
    cdef void average(self, float* ring, Py_ssize_t at, double x, double filled) noexcept nogil
    cdef double look(
        self, float* ring, Py_ssize_t o, Py_ssize_t size, Py_ssize_t every, double head, double p,
    ) noexcept nogil
    cdef void find(self, Py_ssize_t size, double head, double p) noexcept nogil
    cdef double found(self, float* ring, Py_ssize_t o, Py_ssize_t every) noexcept nogil
    cdef double back(self, Py_ssize_t row, Py_ssize_t k, double ahead, double target) noexcept nogil
    cdef double like(self, double slot, double ahead, double target) noexcept nogil
    cdef void look_up(self, Py_ssize_t row, Py_ssize_t k, Py_ssize_t which, double time) noexcept nogil
    cdef double error_at(self, Py_ssize_t row, Py_ssize_t k, Py_ssize_t i, double time) noexcept nogil
