cimport cython
from libc.stdint cimport int64_t
from ewad.kernels cimport memory
from ewad.kernels.grid cimport GridKernel

cdef double NAN, WINDOW, LOCALLY
cdef Py_ssize_t BLOCKS, N_SUMS, N_MADE

@cython.final
cdef class ScoresKernel:
    cdef Py_ssize_t n, depth, places
    cdef object arrays, nothing
    cdef double coverage
    cdef double* window
    cdef double* worst
    cdef int64_t* horizons
    cdef int64_t* first_place
    cdef int64_t* ago
    cdef int64_t* count
    cdef int64_t* position
    cdef int64_t* size
    cdef double* sums
    cdef double* history
    cdef double* pending
    cpdef take_all(self, object stream, object value, object made, object restart)
    cpdef take_on_grid(self, GridKernel grid, object stream, object time, object value, object made)
    cdef void take(self, Py_ssize_t row, double x, double* made, Py_ssize_t at, int restart) noexcept nogil
    cdef void score(
        self, Py_ssize_t row, Py_ssize_t i, Py_ssize_t o, double x, Py_ssize_t place, double step, int seasonal,
    ) noexcept nogil
    cdef void look(self, Py_ssize_t at, Py_ssize_t o, double inside) noexcept nogil
    cdef void halve(self, Py_ssize_t row) noexcept nogil
