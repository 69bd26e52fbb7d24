from cpython.buffer cimport (
    Py_buffer, PyBuffer_Release, PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBUF_WRITABLE, PyObject_GetBuffer,
)
from cpython cimport array
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memcpy

cdef extern from "Python.h" nogil:
    ctypedef struct PyThreadState:
        pass
    PyThreadState* PyEval_SaveThread()
    void PyEval_RestoreThread(PyThreadState*)

cdef extern from "Python.h":
    double PyOS_string_to_double(const char*, char**, void*) except? -1.0

ctypedef unsigned char boolean
ctypedef unsigned char octet

# The owner of an array keeps it alive, and gives its address anew whenever it moves.
cdef inline void* _address(object array, int flags, char kind, char same, Py_ssize_t size) except? NULL:
    cdef Py_buffer view
    PyObject_GetBuffer(array, &view, flags | PyBUF_C_CONTIGUOUS | PyBUF_FORMAT)
    cdef void* address = view.buf
    cdef bint right = view.itemsize == size and (view.format[0] == kind or view.format[0] == same)
    PyBuffer_Release(&view)
    if not right:
        raise ValueError(f"expected a contiguous array of type {chr(kind)}{size}, got one of {array.dtype}")
    return address

cdef inline double* doubles(object array) except? NULL:
    return <double*> _address(array, PyBUF_WRITABLE, c"d", c"d", 8)

cdef inline float* singles(object array) except? NULL:
    return <float*> _address(array, PyBUF_WRITABLE, c"f", c"f", 4)

cdef inline int64_t* integers(object array) except? NULL:
    return <int64_t*> _address(array, PyBUF_WRITABLE, c"l", c"q", 8)

cdef inline boolean* booleans(object array) except? NULL:
    return <boolean*> _address(array, PyBUF_WRITABLE, c"?", c"?", 1)

cdef inline octet* octets(object array) except? NULL:
    return <octet*> _address(array, 0, c"B", c"B", 1)

cdef inline int32_t* rows(object array) except? NULL:
    return <int32_t*> _address(array, 0, c"i", c"i", 4)

cdef inline double* readable(object array) except? NULL:
    return <double*> _address(array, 0, c"d", c"d", 8)

# A zero byte ends what Python holds as bytes: nothing behind it is read.
cdef inline double spelled(octet* data, Py_ssize_t start, Py_ssize_t stop) except? -1.0:
    cdef char* end
    return PyOS_string_to_double(<const char*> data + start, &end, NULL)

# The lowest byte first, as on every processor that kernels are compiled for.
cdef inline double double_at(octet* data, Py_ssize_t at) noexcept nogil:
    cdef double number
    memcpy(&number, data + at, 8)
    return number

cdef inline double float_at(octet* data, Py_ssize_t at) noexcept nogil:
    cdef float number
    memcpy(&number, data + at, 4)
    return number

cdef inline double as_float32(double number) noexcept nogil:
    return <float> number

cdef inline int add_integers(array.array target, int64_t* numbers, Py_ssize_t n) except -1:
    if target.typecode != "q":
        raise ValueError(f"expected an array of type q, got one of {target.typecode}")
    return array.extend_buffer(target, <char*> numbers, n)

cdef inline int add_doubles(array.array target, double* numbers, Py_ssize_t n) except -1:
    if target.typecode != "d":
        raise ValueError(f"expected an array of type d, got one of {target.typecode}")
    return array.extend_buffer(target, <char*> numbers, n)

cdef inline Py_ssize_t whole(double number) noexcept nogil:
    return <Py_ssize_t> number

cdef inline PyThreadState* release_lock() noexcept nogil:
    return PyEval_SaveThread()

cdef inline void take_lock(PyThreadState* held) noexcept nogil:
    PyEval_RestoreThread(held)
